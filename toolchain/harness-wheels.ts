/** How the harness's wheels are had: by this machine's pip, from where that is set up to download. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { HARNESS_PACKAGE, HARNESS_PYTHON, normalName } from "../fleet/harness/lock.ts";

/** Processors that locks are made for, as the kernel calls them. */
export const MACHINES = ["x86_64", "aarch64"] as const;
export type HarnessMachine = (typeof MACHINES)[number];

/** With what a gateway needs to answer on /health and to talk to messengers. */
export const harnessRequirement = (version: string): string => `${HARNESS_PACKAGE}[messaging]==${version}`;

/** The newest C library that Debian 12 runs is 2.36. */
const GLIBC = Array.from({ length: 36 - 17 + 1 }, (_, at) => 36 - at);

function platforms(machine: HarnessMachine): string[] {
  const legacy = machine === "x86_64" ? ["manylinux2014", "manylinux2010", "manylinux1"] : ["manylinux2014"];
  const tags = [...GLIBC.map((minor) => `manylinux_2_${minor}`), ...legacy];
  return tags.map((tag) => `--platform=${tag}_${machine}`);
}

/** Arguments of Python that download wheels for a machine into a folder; `what` are pip's requirements or options. */
export function downloadArguments(
  what: readonly string[],
  folder: string,
  machine: HarnessMachine,
): string[] {
  return [
    ...["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"],
    ...[
      "--implementation=cp",
      `--python-version=${HARNESS_PYTHON}`,
      "--abi=cp311",
      "--abi=abi3",
      "--abi=none",
    ],
    ...platforms(machine),
    `--dest=${folder}`,
    ...what,
  ];
}

/** What makes pip take a lock's wheels and no others. */
export const byLock = (lock: string): string[] => ["--no-deps", "--require-hashes", `--requirement=${lock}`];

/** The text of a lock that names the wheels of these folders: one per package and machine, all of the same version. */
export function lockOf(version: string, folders: readonly string[]): string {
  const packages = new Map<string, { pin: string; hashes: Set<string> }>();
  for (const folder of folders) {
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".whl"))) {
      const [project = "", release = ""] = file.split("-");
      const name = normalName(project);
      const pin = `${name}==${release}`;
      const known = packages.get(name) ?? { pin, hashes: new Set() };
      if (known.pin !== pin) throw new Error(`${folder}/${file} is another version than ${known.pin}`);
      const hash = createHash("sha256")
        .update(readFileSync(path.join(folder, file)))
        .digest("hex");
      packages.set(name, { pin, hashes: known.hashes.add(hash) });
    }
  }
  const entries = [...packages]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { pin, hashes }]) =>
      [`${pin} \\`, ...[...hashes].sort().map((hash) => `    --hash=sha256:${hash}`)]
        .join("\n")
        .replaceAll(/(?<=[0-9a-f]{64})\n/g, " \\\n"),
    );
  return [
    `# ${harnessRequirement(version)} for Python ${HARNESS_PYTHON} of Debian 12, on ${MACHINES.join(" and ")}: every package with the`,
    `# hashes of its wheels. Made by \`npm run harness-lock -- ${version}\`; what is not in here is not installed.`,
    ...entries,
    "",
  ].join("\n");
}
