/** Keys and the files that ssh is given. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { run } from "./command.ts";
import { bedFolder } from "./paths.ts";

export const clientKeyFile = (bed: string): string => path.join(bedFolder(bed), "client_ed25519");
export const knownHostsFile = (bed: string): string => path.join(bedFolder(bed), "known_hosts");
export const sshConfigFile = (bed: string): string => path.join(bedFolder(bed), "ssh_config");

/** A new ed25519 key at `file`, its public half beside it, in place of what was there. */
export async function makeKey(file: string, comment: string): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true });
  for (const half of [file, `${file}.pub`]) rmSync(half, { force: true });
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file]);
}

/** The key that may log in to every machine of the bed. */
export async function ensureClientKey(bed: string): Promise<void> {
  const file = clientKeyFile(bed);
  if (existsSync(`${file}.pub`)) return;
  await makeKey(file, `test bed ${bed}`);
  chmodSync(file, 0o600);
}

/** Algorithm and key, without the comment. */
export function publicKey(file: string): string {
  return readFileSync(`${file}.pub`, "utf8").trim().split(" ").slice(0, 2).join(" ");
}

interface Known {
  name: string;
  address: string;
  address6: string;
  hostKey: string;
}

/** Writes known_hosts and ssh_config, so that `ssh -F ssh_config house-01` logs in without asking. */
export function writeSshFiles(bed: string, machines: readonly Known[]): void {
  // A machine of a cloud has its key from whoever ordered it.
  const pinned = machines.filter(({ hostKey }) => hostKey !== "");
  const hosts = pinned.map(
    ({ name, address, address6, hostKey }) => `${name},${address},${address6} ${hostKey}`,
  );
  writeFileSync(knownHostsFile(bed), hosts.map((line) => `${line}\n`).join(""));
  const every = [
    "Host *",
    "  User root",
    `  IdentityFile ${quoted(clientKeyFile(bed))}`,
    "  IdentitiesOnly yes",
    `  UserKnownHostsFile ${quoted(knownHostsFile(bed))}`,
    "  GlobalKnownHostsFile none",
    "  StrictHostKeyChecking yes",
  ];
  const stanzas = machines.map(({ name, address }) => `Host ${name}\n  HostName ${address}\n`);
  writeFileSync(sshConfigFile(bed), `${stanzas.join("")}${every.join("\n")}\n`);
}

const quoted = (file: string): string => `"${file}"`;
