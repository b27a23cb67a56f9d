/** Looks for what a test bed leaves on this machine, without asking the test bed. */
import { existsSync, readFileSync, readdirSync } from "node:fs";

import { bedFolder, shortId } from "../../testbed/paths.ts";
import { processesOf } from "../engine/processes.ts";

const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** Mount points, namespaces, links, control groups and processes of a bed, one line each, and its folder. */
export function leftoversOf(bed: string): string[] {
  const folder = bedFolder(bed);
  const id = shortId(folder);
  const named = (kind: string, names: readonly string[]): string[] =>
    names.filter((name) => name.includes(id)).map((name) => `${kind} ${name}`);
  const hierarchies = ["/sys/fs/cgroup", ...list("/sys/fs/cgroup").map((name) => `/sys/fs/cgroup/${name}`)];
  return [
    ...readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(`${folder}/`))
      .map((line) => `mount ${line.split(" ")[4]}`),
    ...named("namespace", list("/run/netns")),
    ...named("link", list("/sys/class/net")),
    ...hierarchies
      .filter((place) => isFolder(place))
      .flatMap((place) => named(`group in ${place}`, list(place))),
    ...named("nspawn folder", list("/run/systemd/nspawn/propagate")),
    ...named("registration", list("/run/wizard-houses-testbed")),
    ...processesOf(folder).map(({ pid, command }) => `process ${pid} ${command}`),
    ...(existsSync(folder) ? [`folder ${folder}`] : []),
  ];
}

function isFolder(place: string): boolean {
  try {
    readdirSync(place);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return false;
    throw error;
  }
}
