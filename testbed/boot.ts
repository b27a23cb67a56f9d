/** Boots one machine from its record, and stops it. Every step looks first whether it is done already. */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { isRunning, leaderOf } from "./alive.ts";
import { endGroup, inMachineGroup, isFrozen, setFrozen } from "./cgroup.ts";
import { layersOf } from "./image.ts";
import { isMounted, mountOverlay, unmountBelow } from "./mounts.ts";
import { namespaceFile, plugIn, setBlackhole } from "./network.ts";
import { helpersGroup, kernelNames, machineFolder, mergedRoot } from "./paths.ts";
import { personalize } from "./personal.ts";
import { consoleLog, demandNothingFailed, untilReady } from "./ready.ts";
import { type MachineRecord, amend } from "./records.ts";

/** SIGRTMIN+4, which tells systemd to power off. */
const POWER_OFF = 38;

const folderOf = (machine: MachineRecord): string => machineFolder(machine.bed, machine.name);

/** Makes the machine run and answer: mounted, connected, booted, neither frozen nor cut off. */
export async function boot(machine: MachineRecord): Promise<void> {
  const names = kernelNames(machine.bed, machine.number);
  if (isRunning(machine)) {
    if (isFrozen(names.group)) await setFrozen(names.group, false);
    await setCutOff(machine, false);
    await untilReady(machine);
    return;
  }
  const isNew = !machine.personal;
  const started = await powerOn(machine);
  const state = await untilReady(started);
  if (isNew) await demandNothingFailed(started, state);
}

/** Starts a machine that is off and waits for nothing. */
export async function powerOn(machine: MachineRecord): Promise<MachineRecord> {
  if (!existsSync(machine.image)) {
    throw new Error(`the image ${machine.name} stands on is gone: take bed ${machine.bed} down and up again`);
  }
  await endGroup(kernelNames(machine.bed, machine.number).group);
  await mount(machine);
  await plugIn(machine.bed, machine.number, machine);
  if (machine.cutOff) amend(machine.bed, machine.name, { cutOff: false });
  return launch(machine);
}

/** Drops every packet to and from the machine, or lets them through again. A machine that is started anew is reachable. */
export async function setCutOff(machine: MachineRecord, cutOff: boolean): Promise<void> {
  if (machine.cutOff === cutOff) return;
  await setBlackhole(kernelNames(machine.bed, machine.number).namespace, cutOff);
  amend(machine.bed, machine.name, { cutOff });
}

async function mount(machine: MachineRecord): Promise<void> {
  const root = mergedRoot(machine.bed, machine.name);
  const [upper, work] = [path.join(folderOf(machine), "upper"), path.join(folderOf(machine), "work")];
  if (!machine.personal) await discardOverlay(machine);
  if (isMounted(root)) return;
  for (const folder of [root, upper, work]) mkdirSync(folder, { recursive: true });
  await mountOverlay(
    { lower: layersOf(machine.image, machine.flavour), upper, work },
    root,
    helpersGroup(machine.bed),
  );
  if (!machine.personal) {
    personalize(machine, root);
    machine.personal = amend(machine.bed, machine.name, { personal: true }).personal;
  }
}

/** Throws away what the machine wrote. It must not be running. */
async function discardOverlay(machine: MachineRecord): Promise<void> {
  await unmountBelow(mergedRoot(machine.bed, machine.name));
  for (const layer of ["upper", "work"]) {
    rmSync(path.join(folderOf(machine), layer), { recursive: true, force: true });
  }
}

/** Starts systemd-nspawn, which goes on when this process ends. */
function launch(machine: MachineRecord): MachineRecord {
  const names = kernelNames(machine.bed, machine.number);
  const argv = inMachineGroup(names.group, [
    "systemd-nspawn",
    "--quiet",
    "--boot",
    `--directory=${mergedRoot(machine.bed, machine.name)}`,
    `--machine=${names.group}`,
    // The name of a cloud's machine is for cloud-init to give, and its packet filter is its own.
    machine.seed === undefined ? `--hostname=${machine.name}` : "--capability=CAP_NET_ADMIN",
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
    // /tmp is on the disk, as on Debian 12. Locks are ours to hold; nspawn would leave its files behind.
    env: { PATH: process.env["PATH"], SYSTEMD_NSPAWN_TMPFS_TMP: "0", SYSTEMD_NSPAWN_LOCK: "0" },
  });
  closeSync(log);
  child.unref();
  // Told by the missing process id, below.
  child.on("error", () => undefined);
  if (child.pid === undefined) throw new Error(`${machine.name} does not start: there is no ${program}`);
  return amend(machine.bed, machine.name, { pid: child.pid });
}

/** Shuts the machine down as its power button would. Returns when it is off; one that does not obey in 60 s is killed. */
export async function powerDown(machine: MachineRecord): Promise<void> {
  const { group } = kernelNames(machine.bed, machine.number);
  if (isRunning(machine)) {
    if (isFrozen(group)) await setFrozen(group, false);
    process.kill(leaderOf(machine), POWER_OFF);
    const deadline = Date.now() + 60_000;
    while (isRunning(machine) && Date.now() < deadline) await sleep(50);
  }
  await pullPlug(machine);
}

/** Ends the machine at once, as a power cut does. */
export async function pullPlug(machine: MachineRecord): Promise<void> {
  await endGroup(kernelNames(machine.bed, machine.number).group);
  amend(machine.bed, machine.name, { pid: undefined });
}
