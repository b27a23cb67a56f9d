/** What makes a machine itself: its host key, names, and who may log in. */
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { clientKeyFile, makeKey, publicKey } from "./keys.ts";
import { machineFolder } from "./paths.ts";
import { type MachineRecord, type Seed, writeRecord } from "./records.ts";

export const hostKeyFile = ({ bed, name }: Pick<MachineRecord, "bed" | "name">): string =>
  path.join(machineFolder(bed, name), "host_ed25519");

/** What a machine will be, before it has a key. */
export type Planned = Pick<
  MachineRecord,
  "bed" | "name" | "number" | "flavour" | "image" | "address" | "address6"
>;

/** Writes down a machine that has no record yet, with a new host key. */
export async function newMachine(planned: Planned): Promise<MachineRecord> {
  const file = hostKeyFile(planned);
  await makeKey(file, planned.name);
  const machine: MachineRecord = { ...planned, hostKey: publicKey(file), personal: false, cutOff: false };
  writeRecord(machine);
  return machine;
}

/** Only ever on an overlay nobody has run in: what stands there is the image's, not an agent's. */
export function personalize(machine: MachineRecord, root: string): void {
  const write = (file: string, text: string, mode = 0o644): void => {
    writeFileSync(path.join(root, file), text, { mode });
    chmodSync(path.join(root, file), mode);
  };
  if (machine.seed !== undefined) {
    plant(root, machine.seed);
    return;
  }
  write("etc/machine-id", `${randomBytes(16).toString("hex")}\n`);
  write("etc/hostname", `${machine.name}\n`);
  write("etc/hosts", `127.0.0.1 localhost\n127.0.1.1 ${machine.name}\n::1 localhost ip6-localhost\n`);
  write("etc/ssh/ssh_host_ed25519_key", readFileSync(hostKeyFile(machine), "utf8"), 0o600);
  write("etc/ssh/ssh_host_ed25519_key.pub", `${machine.hostKey} root@${machine.name}\n`);
  const authorized = `${publicKey(clientKeyFile(machine.bed))}\n`;
  write("root/.ssh/authorized_keys", authorized, 0o600);
  for (const { user, uid, gid } of people(root)) {
    write(`home/${user}/.ssh/authorized_keys`, authorized, 0o600);
    chownSync(path.join(root, `home/${user}/.ssh/authorized_keys`), uid, gid);
  }
}

/** Leaves what cloud-init looks for; name, keys and all else are its own work. */
function plant(root: string, { userData, metaData }: Seed): void {
  const folder = path.join(root, "var/lib/cloud/seed/nocloud");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(path.join(folder, "user-data"), userData, { mode: 0o600 });
  writeFileSync(path.join(folder, "meta-data"), metaData, { mode: 0o600 });
}

function people(root: string): { user: string; uid: number; gid: number }[] {
  return readFileSync(path.join(root, "etc/passwd"), "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .filter(([, , , , , home]) => home?.startsWith("/home/"))
    .map(([user = "", , uid, gid]) => ({ user, uid: Number(uid), gid: Number(gid) }));
}
