/** Python tools in virtual environments of their own, from the versions that requirements-*.txt pin. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { say } from "../scripts/session.ts";
import { ROOT } from "../scripts/stack.ts";
import { mustRun } from "./process.ts";

const requirements = (name: string): string => path.join(ROOT, "bench", `requirements-${name}.txt`);

/** Folder of the environment `name`, installed again where its pins are not those it was made from. */
export async function ensureVenv(name: "mitogen" | "pyinfra"): Promise<string> {
  const folder = path.join(ROOT, ".cache", "bench", name);
  const stamp = path.join(folder, "requirements.txt");
  const wanted = pins(requirements(name)).join("\n");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return folder;
  say(`installing ${name} for the bench`);
  rmSync(folder, { recursive: true, force: true });
  await mustRun({ argv: ["python3", "-m", "venv", folder] });
  await mustRun({
    argv: [
      path.join(folder, "bin", "pip"),
      ...["install", "--quiet", "--disable-pip-version-check", "-r", requirements(name)],
    ],
  });
  writeFileSync(stamp, wanted);
  return folder;
}

/** The version that is pinned for a package. */
export function pinned(name: string, distribution: string): string {
  const line = pins(requirements(name)).find((pin) => pin.startsWith(`${distribution}==`));
  if (line === undefined) throw new Error(`${requirements(name)} pins no ${distribution}`);
  return line.slice(`${distribution}==`.length);
}

/** Lines of a requirements file and of those it includes. */
function pins(file: string): string[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .flatMap((line) =>
      line.startsWith("-r ") ? pins(path.join(path.dirname(file), line.slice("-r ".length))) : [line],
    );
}
