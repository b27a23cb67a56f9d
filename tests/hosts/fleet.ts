/** A copy of the checkout whose stack `testbed` reaches real machines over SSH. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { parse, stringify } from "yaml";

import { exec, type Machine } from "../../testbed/index.ts";
import { makeEngineHome } from "../engine/engine-home.ts";
import { makeWorkspace, type CommandResult, type Workspace } from "../engine/workspace.ts";

export const STACK = "testbed";

/** A machine by the name of the host that it is in `wizards/fleet.yaml`. */
export type Hosts = Record<string, Machine>;

export interface HostFleet {
  work: Workspace;
  /** One of our commands on the stack, e.g. `up`. */
  run(command: string, args?: readonly string[], env?: NodeJS.ProcessEnv): Promise<CommandResult>;
  /** Starts the same and leaves it to the test. */
  start(command: string, args?: readonly string[]): ReturnType<Workspace["start"]>;
  /** Changes `wizards/fleet.yaml`. */
  editFleet(change: (fleet: FleetFile) => void): void;
  /** Text of a file of the copy. */
  read(file: string): string;
  /** Replaces text in a file of the copy; the text must be there. */
  edit(file: string, from: string | RegExp, to: string): void;
  environment: NodeJS.ProcessEnv;
  /** Folder of all that is this operator's alone: state and its history, the engine's logs. */
  ownFolder: string;
  /** The stack's state, as the backend keeps it. */
  state(): string;
  cleanup(): void;
}

/** What tests change in `fleet.yaml`. */
export interface FleetFile {
  houses: string[];
  rollout: string;
  hosts: Record<
    string,
    { address?: string; user?: string; port?: number; hostKey?: string; droplet?: Record<string, unknown> }
  >;
  [other: string]: unknown;
}

export const hostEntry = (machine: Machine, user = "root"): FleetFile["hosts"][string] => ({
  address: machine.address,
  user,
  hostKey: machine.hostKey,
});

/**
 * @param hosts the machines; hosts of the fleet that are not among them keep their address, where nobody answers
 * @param keyFile the operator's private key; the machines' if there are any
 */
export async function makeHostFleet(
  hosts: Hosts,
  keyFile = Object.values(hosts)[0]?.clientKeyFile,
): Promise<HostFleet> {
  const work = makeWorkspace();
  const own = (...parts: string[]): string => path.join(work.dir, ".hosts", ...parts);
  const home = own("pulumi");
  await makeEngineHome(home);
  const sshConfig = own("ssh_config");
  writeFileSync(sshConfig, `Host *\n  IdentityFile ${keyFile}\n  IdentitiesOnly yes\n  IdentityAgent none\n`);
  const environment: NodeJS.ProcessEnv = {
    PULUMI_HOME: home,
    PULUMI_BACKEND_URL: pathToFileURL(own()).href,
    PULUMI_CONFIG_PASSPHRASE: "correct horse battery staple",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    WIZARD_HOUSES_SSH_CONFIG: sshConfig,
  };
  const fleetFile = path.join(work.dir, "wizards", "fleet.yaml");
  const editFleet = (change: (fleet: FleetFile) => void): void => {
    const fleet = parse(readFileSync(fleetFile, "utf8")) as FleetFile;
    change(fleet);
    writeFileSync(fleetFile, stringify(fleet));
  };
  editFleet((fleet) => {
    for (const [name, machine] of Object.entries(hosts)) fleet.hosts[name] = hostEntry(machine);
  });
  // Environment dev takes placeholders for keys, so that nothing secret is needed to try a host.
  writeFileSync(
    path.join(work.dir, `Pulumi.${STACK}.yaml`),
    "config:\n  wizard-houses:environment: dev\n  wizard-houses:transport: ssh\n  wizard-houses:connectDeadline: 10\n  wizard-houses:stableFor: 1\n",
  );
  const run: HostFleet["run"] = (command, args = [], env = {}) =>
    work.run([command, "-s", STACK, ...args], { env: { ...environment, ...env } });
  const made = await work.run(["pulumi", "-s", STACK, "stack", "init", STACK], { env: environment });
  if (made.code !== 0) throw new Error(`the stack cannot be made:\n${made.stderr}`);
  const read = (file: string): string => readFileSync(path.join(work.dir, file), "utf8");
  return {
    work,
    run,
    start: (command, args = []) => work.start([command, "-s", STACK, ...args], { env: environment }),
    editFleet,
    read,
    edit(file, from, to) {
      const at = path.join(work.dir, file);
      const text = read(file);
      const changed = text.replace(from, to);
      if (changed === text) throw new Error(`${file} does not have ${String(from)}`);
      writeFileSync(at, changed);
    },
    environment,
    ownFolder: own(),
    state: () => readFileSync(own(".pulumi", "stacks", "wizard-houses", `${STACK}.json`), "utf8"),
    cleanup: work.cleanup,
  };
}

/** Leaves only these houses in the fleet, all of them on the host forge. */
export function keepHouses({ work, edit, editFleet }: HostFleet, names: readonly string[]): void {
  for (const name of ["bezalel", "ezra", "allegro"]) {
    if (!names.includes(name)) rmSync(path.join(work.dir, "wizards", name), { recursive: true });
    else if (name !== "bezalel") edit(`wizards/${name}/house.yaml`, "host: tower", "host: forge");
  }
  editFleet((data) => {
    data.houses = [...names];
    delete data.hosts["tower"];
  });
}

/** What a shell script says inside a machine; it must succeed. */
export async function inside(machine: Machine, script: string): Promise<string> {
  const { code, stdout, stderr } = await exec(machine, script);
  if (code !== 0) throw new Error(`${machine.name}: ${script}\nended with ${code}: ${stderr}`);
  return stdout;
}

/** Logins that sshd has let in since the machine booted. */
export async function sessions(machine: Machine): Promise<number> {
  return Number(
    await inside(machine, "journalctl --sync; journalctl -u ssh -o cat | grep -c 'Accepted publickey' || :"),
  );
}
