/** Boots one machine from its record, and stops it. Every step looks first whether it is done already. */
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import path from "node:path";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { processInfo } from "../toolchain/process-info.ts";
import { endGroup, inGroup, isFrozen, isPopulated, setFrozen } from "./cgroup.ts";
import { attempt } from "./command.ts";
import { inside } from "./exec.ts";
import { layersOf } from "./image.ts";
import { clientKeyFile, makeKey, publicKey } from "./keys.ts";
import { isMounted, mountOverlay, unmountBelow } from "./mounts.ts";
import { namespaceFile, plugIn, setBlackhole } from "./network.ts";
import { kernelNames, machineFolder, mergedRoot } from "./paths.ts";
import { type MachineRecord, amend, writeRecord } from "./records.ts";

/** How long a machine may take until sshd answers and systemd has started everything. */
const BOOT_SECONDS = 120;

const folderOf = (machine: MachineRecord): string => machineFolder(machine.bed, machine.name);
const consoleLog = (machine: MachineRecord): string => path.join(folderOf(machine), "console.log");
const hostKeyFile = (machine: MachineRecord): string => path.join(folderOf(machine), "host_ed25519");

/** Writes down a machine that has no record yet, with a new host key. */
export async function newMachine(
  record: Omit<MachineRecord, "hostKey" | "personal">,
): Promise<MachineRecord> {
  const machine: MachineRecord = { ...record, hostKey: "", personal: false };
  await makeKey(hostKeyFile(machine), record.name);
  machine.hostKey = publicKey(hostKeyFile(machine));
  writeRecord(machine);
  return machine;
}

/** Whether the process that was started for the machine is there, and is what we started. */
export function isRunning(machine: MachineRecord): boolean {
  return isPopulated(kernelNames(machine.bed, machine.number).group) && supervisor(machine) !== undefined;
}

/** Process id of the machine's systemd-nspawn. */
export function supervisor(machine: MachineRecord): number | undefined {
  if (!machine.process) return undefined;
  const { pid, startedAt } = machine.process;
  const found = processInfo(pid);
  const ours =
    found?.startedAt.getTime() === startedAt && found.command.includes(mergedRoot(machine.bed, machine.name));
  return ours ? pid : undefined;
}

/** Makes the machine run and answer: mounted, connected, booted, neither frozen nor cut off. */
export async function boot(machine: MachineRecord): Promise<void> {
  const names = kernelNames(machine.bed, machine.number);
  if (isRunning(machine)) {
    if (isFrozen(names.group)) await setFrozen(names.group, false);
    await setBlackhole(names.namespace, false);
    await untilReady(machine);
    return;
  }
  await endGroup(names.group);
  await mount(machine);
  await plugIn(machine.bed, machine.number, machine);
  await untilReady(launch(machine));
}

async function mount(machine: MachineRecord): Promise<void> {
  const root = mergedRoot(machine.bed, machine.name);
  const [upper, work] = [path.join(folderOf(machine), "upper"), path.join(folderOf(machine), "work")];
  if (!machine.personal) await discardOverlay(machine);
  if (isMounted(root)) return;
  for (const folder of [root, upper, work]) mkdirSync(folder, { recursive: true });
  await mountOverlay({ lower: layersOf(machine.image, machine.flavour), upper, work }, root);
  if (!machine.personal) {
    personalize(machine, root);
    machine.personal = amend(machine.bed, machine.name, { personal: true }).personal;
  }
}

/** Throws away what the machine wrote. It must not be running. */
export async function discardOverlay(machine: MachineRecord): Promise<void> {
  await unmountBelow(mergedRoot(machine.bed, machine.name));
  for (const layer of ["upper", "work"])
    rmSync(path.join(folderOf(machine), layer), { recursive: true, force: true });
}

/** Only ever on an overlay nobody has run in: what stands there is the image's, not an agent's. */
function personalize(machine: MachineRecord, root: string): void {
  const write = (file: string, text: string, mode = 0o644): void => {
    writeFileSync(path.join(root, file), text, { mode });
    chmodSync(path.join(root, file), mode);
  };
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

function people(root: string): { user: string; uid: number; gid: number }[] {
  return readFileSync(path.join(root, "etc/passwd"), "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .filter(([, , , , , home]) => home?.startsWith("/home/"))
    .map(([user = "", , uid, gid]) => ({ user, uid: Number(uid), gid: Number(gid) }));
}

/** Starts systemd-nspawn, which goes on when this process ends. */
function launch(machine: MachineRecord): MachineRecord {
  const names = kernelNames(machine.bed, machine.number);
  const argv = inGroup(names.group, [
    "systemd-nspawn",
    "--quiet",
    "--boot",
    `--directory=${mergedRoot(machine.bed, machine.name)}`,
    `--machine=${names.group}`,
    `--hostname=${machine.name}`,
    `--network-namespace-path=${namespaceFile(names.namespace)}`,
    // This machine's own systemd, if it has one, is told nothing.
    "--register=no",
    "--keep-unit",
    "--settings=no",
    "--console=read-only",
    "--link-journal=no",
    "--resolv-conf=off",
    "--timezone=off",
  ]);
  const log = openSync(consoleLog(machine), "w");
  const [program = "", ...args] = argv;
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", log, log],
    // /tmp is on the disk, as on Debian 12.
    env: { PATH: process.env["PATH"], SYSTEMD_NSPAWN_TMPFS_TMP: "0" },
  });
  closeSync(log);
  child.unref();
  const startedAt = child.pid === undefined ? undefined : processInfo(child.pid)?.startedAt.getTime();
  if (child.pid === undefined || startedAt === undefined)
    throw new Error(`${machine.name} does not start${lastWords(machine)}`);
  return amend(machine.bed, machine.name, { process: { pid: child.pid, startedAt } });
}

async function untilReady(machine: MachineRecord): Promise<void> {
  const deadline = Date.now() + BOOT_SECONDS * 1000;
  while (!(await sshAnswers(machine.address))) {
    if (processInfo(machine.process?.pid ?? 0) === undefined) {
      throw new Error(`${machine.name} stopped while it booted${lastWords(machine)}`);
    }
    if (Date.now() > deadline)
      throw new Error(
        `${machine.name} does not answer on port 22 after ${BOOT_SECONDS} s${lastWords(machine)}`,
      );
    await sleep(50);
  }
  const state = await inside(machine, ["systemctl", "is-system-running", "--wait"], {
    timeout: BOOT_SECONDS * 1000,
  });
  if (state.stdout.trim() === "running") return;
  const failed = await inside(machine, ["systemctl", "--failed", "--no-legend", "--plain"]);
  throw new Error(
    `${machine.name} is ${state.stdout.trim() || state.stderr.trim()}: ${failed.stdout.trim()}`,
  );
}

/** Whether something at the address greets as an ssh server does. */
export function sshAnswers(address: string, milliseconds = 1000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port: 22 });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(milliseconds, () => end(false));
    socket.on("error", () => end(false));
    socket.on("data", (greeting: Buffer) => end(greeting.toString("latin1").startsWith("SSH-")));
    socket.on("close", () => end(false));
  });
}

function lastWords(machine: MachineRecord): string {
  const file = consoleLog(machine);
  const words = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").slice(-10).join("\n") : "";
  return words === "" ? "" : `; its console ends with:\n${words}`;
}

/** Shuts the machine down as its power button would. Returns when it is off; one that does not obey in 60 s is killed. */
export async function powerDown(machine: MachineRecord): Promise<void> {
  const { group } = kernelNames(machine.bed, machine.number);
  if (isRunning(machine)) {
    if (isFrozen(group)) await setFrozen(group, false);
    await attempt(["kill", "-s", "RTMIN+4", String(leaderOf(machine))]);
    for (const deadline = Date.now() + 60_000; isRunning(machine) && Date.now() < deadline;) await sleep(50);
  }
  await pullPlug(machine);
}

/** Ends the machine at once, as a power cut does. */
export async function pullPlug(machine: MachineRecord): Promise<void> {
  await endGroup(kernelNames(machine.bed, machine.number).group);
  amend(machine.bed, machine.name, { process: undefined });
}

/** Process id, on this machine, of the machine's own PID 1. Throws when it is off. */
export function leaderOf(machine: MachineRecord): number {
  const pid = supervisor(machine);
  if (pid === undefined) throw new Error(`${machine.name} is off`);
  const child = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0];
  if (!child) throw new Error(`${machine.name} is going down`);
  return Number(child);
}
