/** Bare `ssh`: one process per machine that reads what a check has to read. No tool over SSH can be faster than this. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { shellQuote } from "../../fleet/shell.ts";
import { ROOT } from "../../scripts/stack.ts";
import { run } from "../process.ts";
import type { WantedHouse } from "../wanted.ts";
import type { Ground, Tool } from "./tool.ts";

export async function ssh(ground: Ground): Promise<Tool> {
  const scripts = path.join(ground.dir, "ssh", "scripts");
  const answers = path.join(ground.dir, "ssh", "answers");
  const { stderr } = await run({ argv: ["ssh", "-V"] });
  return {
    name: "ssh",
    version: stderr.split(",")[0]!,
    cases: ["check"],
    want: (houses) => {
      for (const folder of [scripts, answers]) {
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder, { recursive: true });
      }
      for (const { name } of ground.machines) {
        const here = houses.filter((house) => house.host === name);
        writeFileSync(path.join(scripts, name), readingScript(here));
      }
      return Promise.resolve();
    },
    forget: () => Promise.resolve(),
    command: () => ({
      argv: ["/bin/sh", path.join(ROOT, "bench", "ssh-floor.sh"), ground.sshConfig, scripts, answers],
    }),
    complaint: () => {
      const isCut = ({ name }: { name: string }): boolean => {
        const file = path.join(answers, name);
        return !existsSync(file) || !readFileSync(file, "utf8").endsWith("\nend\n");
      };
      const cut = ground.machines.filter(isCut).map(({ name }) => name);
      return cut.length === 0 ? undefined : `did not answer to the end: ${cut.join(", ")}`;
    },
    cool: () => Promise.resolve(),
  };
}

function readingScript(houses: WantedHouse[]): string {
  const words = (texts: string[]): string => texts.map(shellQuote).join(" ");
  const files = houses.flatMap((house) => house.files.map(({ path }) => path));
  const links = houses.flatMap((house) => [house.current, ...house.links].map(({ path }) => path));
  const folders = houses.flatMap((house) => house.folders.map(({ path }) => path));
  return [
    "set -e",
    `sha256sum -- ${words(files)}`,
    `stat -c '%n %F %a %U %G' -- ${words([...folders, ...files, ...links])}`,
    `readlink -- ${words(links)}`,
    `getent passwd ${words(houses.map(({ account }) => account.name))}`,
    `dpkg-query -W -f '\${Package} \${db:Status-Status}\\n' -- ${words(houses.flatMap(({ packages }) => packages))}`,
    `systemctl show -p ActiveState,UnitFileState,NeedDaemonReload -- ${words(houses.map(({ unit }) => unit))}`,
    "echo end",
    "",
  ].join("\n");
}
