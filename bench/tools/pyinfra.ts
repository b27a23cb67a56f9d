/** pyinfra. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { ROOT } from "../../scripts/stack.ts";
import type { CaseName } from "../options.ts";
import type { Outcome } from "../process.ts";
import { ensureVenv, pinned } from "../venv.ts";
import { writeSources } from "./sources.ts";
import type { Ground, Tool } from "./tool.ts";

const DEPLOY = path.join(ROOT, "bench", "pyinfra");

export async function pyinfra(ground: Ground): Promise<Tool> {
  const venv = await ensureVenv("pyinfra");
  const dir = path.join(ground.dir, "pyinfra");
  mkdirSync(dir, { recursive: true });
  const inventory = path.join(dir, "inventory.json");
  return {
    name: "pyinfra",
    version: `pyinfra ${pinned("pyinfra", "pyinfra")}`,
    cases: ["converge", "check", "apply", "change"],
    want: (houses) => {
      const sourced = writeSources(path.join(dir, "files"), houses);
      const hosts = ground.machines.map(({ name, address }) => [
        name,
        {
          ssh_hostname: address,
          ssh_user: "root",
          ssh_key: ground.clientKey,
          ssh_known_hosts_file: ground.knownHosts,
          ssh_strict_host_key_checking: "yes",
          ssh_allow_agent: false,
          ssh_look_for_keys: false,
          // One connection for all houses of a machine.
          houses: sourced.filter((house) => house.host === name),
        },
      ]);
      writeFileSync(inventory, JSON.stringify(hosts));
      return Promise.resolve();
    },
    forget: () => Promise.resolve(),
    command: (one) => ({
      argv: [
        path.join(venv, "bin", "pyinfra"),
        ...[one === "check" ? "--dry" : "-y", "--parallel", String(ground.machines.length)],
        ...[path.join(DEPLOY, "inventory.py"), path.join(DEPLOY, "deploy.py")],
      ],
      env: { BENCH_INVENTORY: inventory },
      cwd: dir,
    }),
    complaint,
    cool: () => Promise.resolve(),
  };
}

/** Reads the table that it prints at the end of a dry run, or of a real one. */
export function complaint(name: CaseName, { stderr }: Pick<Outcome, "stderr">): string | undefined {
  if (name === "check") {
    const rows = table(stderr, /^ *Operation +Change +Conditional Change *$/);
    if (rows.length === 0) return "it prints no table of operations";
    const changing = rows.filter(([, change, conditional]) => change !== "-" || conditional !== "-");
    return changing.length === 0 ? undefined : `it would change something: ${changing.join("; ")}`;
  }
  const total = table(stderr, /^ *Operation +Hosts +Success +Error +No Change *$/).at(-1);
  if (total?.[0] !== "Grand total") return "it prints no table of results";
  const changes = total[2] === "-" ? 0 : Number(total[2]);
  if (name === "apply") return changes === 0 ? undefined : `it changed ${changes} things`;
  return changes > 0 ? undefined : "it changed nothing";
}

/** The rows under a header, up to the next empty line. */
function table(text: string, header: RegExp): string[][] {
  const lines = text.split("\n");
  const from = lines.findIndex((line) => header.test(line)) + 1;
  if (from === 0) return [];
  const rows = lines.slice(from);
  const end = rows.findIndex((line) => line.trim() === "");
  return rows.slice(0, end < 0 ? undefined : end).map((line) => line.trim().split(/ {2,}/));
}
