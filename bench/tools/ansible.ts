/** Ansible, and Ansible with Mitogen: the same role, the same settings. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { ROOT } from "../../scripts/stack.ts";
import type { CaseName } from "../options.ts";
import { run, type Command, type Outcome } from "../process.ts";
import { ensureVenv, pinned } from "../venv.ts";
import type { WantedHouse } from "../wanted.ts";
import { writeSources } from "./sources.ts";
import type { Ground, Tool } from "./tool.ts";

const ROLES = path.join(ROOT, "bench", "ansible");

export async function ansible(ground: Ground): Promise<Tool> {
  // Where Mitogen is as well, and does nothing unless it is asked for.
  const venv = await ensureVenv("mitogen");
  const version = `ansible-core ${pinned("ansible", "ansible-core")}`;
  return ansibleTool({ name: "ansible", version, venv, ground, settings: {} });
}

export async function mitogen(ground: Ground): Promise<Tool> {
  const venv = await ensureVenv("mitogen");
  const version = `ansible-core ${pinned("mitogen", "ansible-core")}, Mitogen ${pinned("mitogen", "mitogen")}`;
  const [python] = readdirSync(path.join(venv, "lib"));
  const plugins = path.join(venv, "lib", python!, "site-packages", "ansible_mitogen", "plugins", "strategy");
  const settings = { ANSIBLE_STRATEGY_PLUGINS: plugins, ANSIBLE_STRATEGY: "mitogen_linear" };
  return ansibleTool({ name: "mitogen", version, venv, ground, settings });
}

interface Flavour {
  name: "ansible" | "mitogen";
  version: string;
  venv: string;
  ground: Ground;
  settings: NodeJS.ProcessEnv;
}

function ansibleTool({ name, version, venv, ground, settings }: Flavour): Tool {
  const dir = path.join(ground.dir, name);
  mkdirSync(dir, { recursive: true });
  const inventory = path.join(dir, "inventory.json");
  // The name of a socket may have about 90 characters.
  const sockets = path.join(ground.dir, name[0]!);
  mkdirSync(sockets, { mode: 0o700 });
  const env: NodeJS.ProcessEnv = {
    ...settings,
    ANSIBLE_CONFIG: writeSettings(dir, { sockets, ground }),
    ANSIBLE_HOME: path.join(dir, "home"),
    ANSIBLE_NOCOLOR: "1",
  };
  const command = (...options: string[]): Command => ({
    argv: [
      path.join(venv, "bin", "ansible-playbook"),
      ...["-i", inventory, ...options, path.join(ROLES, "site.yml")],
    ],
    env,
    cwd: dir,
  });
  return {
    name,
    version,
    cases: ["converge", "check", "apply", "change"],
    want: (houses) => {
      writeFileSync(inventory, JSON.stringify(inventoryOf(path.join(dir, "files"), houses, ground)));
      return Promise.resolve();
    },
    forget: () => Promise.resolve(),
    command: (one) => (one === "check" ? command("--check", "--diff") : command()),
    complaint,
    async cool() {
      for (const socket of readdirSync(sockets))
        await run({ argv: ["ssh", "-O", "exit", "-S", path.join(sockets, socket), "unused"] });
      rmSync(sockets, { recursive: true, force: true });
      mkdirSync(sockets, { mode: 0o700 });
    },
  };
}

/** One inventory host per house, as houses of one machine have nothing to do with each other. */
function inventoryOf(files: string, houses: WantedHouse[], { machines }: Ground): unknown {
  const hosts = writeSources(files, houses).map((house) => {
    const machine = machines.find(({ name }) => name === house.host)!;
    return [house.name, { ansible_host: machine.address, house }];
  });
  return { all: { hosts: Object.fromEntries(hosts) as unknown } };
}

/** What the manual recommends for speed. Python is named, since looking for it would cost each host a round trip. */
function writeSettings(dir: string, { sockets, ground }: { sockets: string; ground: Ground }): string {
  const file = path.join(dir, "ansible.cfg");
  const arguments_ = [
    ...[
      "-o ControlMaster=auto",
      "-o ControlPersist=60s",
      "-o IdentitiesOnly=yes",
      "-o StrictHostKeyChecking=yes",
    ],
    `-o UserKnownHostsFile=${ground.knownHosts}`,
  ];
  const sections = {
    defaults: {
      forks: ground.houses,
      gathering: "explicit",
      interpreter_python: "/usr/bin/python3",
      remote_user: "root",
      private_key_file: ground.clientKey,
      host_key_checking: "True",
      retry_files_enabled: "False",
      // Under load the default of 10 s for a connection is too short.
      timeout: 120,
      // Mitogen's strategies are reported as deprecated at every start.
      deprecation_warnings: "False",
    },
    ssh_connection: { pipelining: "True", ssh_args: arguments_.join(" "), control_path_dir: sockets },
  };
  const text = Object.entries(sections).map(
    ([section, values]) =>
      `[${section}]\n${Object.entries(values)
        .map(([key, value]) => `${key} = ${value}\n`)
        .join("")}`,
  );
  writeFileSync(file, text.join("\n"));
  return file;
}

/** Reads the recap that it prints at the end. */
export function complaint(name: CaseName, { stdout }: Pick<Outcome, "stdout">): string | undefined {
  const recap = [...stdout.matchAll(/^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s/gm)];
  if (recap.length === 0) return "it says nothing of any host";
  const changed = recap.filter(([, , , count]) => count !== "0").length;
  const expected = name === "converge" || name === "change" ? recap.length : 0;
  return changed === expected
    ? undefined
    : `it changed ${changed} of ${recap.length} houses, not ${expected}`;
}
