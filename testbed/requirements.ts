/** What a machine needs to run a test bed, and the installation of what can be installed. */
import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import path from "node:path";

import { hierarchies } from "./cgroup.ts";
import { run } from "./command.ts";
import type { Progress } from "./image.ts";

/** Program → the Debian package that has it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  debootstrap: "debootstrap",
  "systemd-nspawn": "systemd-container",
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  ip: "iproute2",
  nft: "nftables",
  nsenter: "util-linux",
  mount: "mount",
};

function missingPrograms(): string[] {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"].filter(
    (folder) => folder !== "",
  );
  return Object.keys(PROGRAMS).filter(
    (program) => !folders.some((folder) => isExecutable(path.join(folder, program))),
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // Absent or not for us: either way it cannot be run.
    return false;
  }
}

/** Why there can be no test bed on this machine, with what to do about it; undefined when there can. */
export function testbedProblem(): string | undefined {
  if (process.platform !== "linux") return `a test bed needs Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0)
    return "a test bed makes namespaces, mounts and control groups: run this as root";
  const missing = missingPrograms();
  if (missing.length > 0 && !existsSync("/usr/bin/apt-get")) {
    return `missing: ${missing.join(", ")}; a test bed needs Debian, whose apt-get could install them`;
  }
  if (!isDebian())
    return "a test bed is built with the Debian mirror this machine uses; this machine is not Debian";
  const unified = hierarchies()?.unified;
  if (unified === undefined) return "no unified control groups (cgroup2) are mounted: mount them";
  try {
    accessSync(unified, constants.W_OK);
    execFileSync("unshare", ["--mount", "--net", "--pid", "--fork", "true"], { stdio: "pipe" });
  } catch (error) {
    return `this machine does not let root make namespaces and control groups, as within an unprivileged container: ${(error as Error).message.trim()}`;
  }
  if (!/\boverlay$/m.test(readFileSync("/proc/filesystems", "utf8"))) {
    return "the kernel has no overlay filesystem: load the module `overlay`";
  }
  return undefined;
}

function isDebian(): boolean {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  return /^ID(_LIKE)?=.*\bdebian\b/m.test(release);
}

/** Installs with apt what is missing. Throws where there can be no test bed. */
export async function ensureRequirements(progress: Progress): Promise<void> {
  const problem = testbedProblem();
  if (problem !== undefined) throw new Error(problem);
  const packages = [...new Set(missingPrograms().map((program) => PROGRAMS[program] ?? program))];
  if (packages.length === 0) return;
  progress(`installing ${packages.join(", ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", ...packages];
  try {
    await run(install, { env });
  } catch {
    // The usual reason is that the lists are old or were never fetched.
    await run(["apt-get", "update", "-qq"], { env });
    await run(install, { env });
  }
}
