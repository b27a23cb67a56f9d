/** `npm run rejected -- list|clear <house> …`: the releases that failed on a host, and letting them be tried again. */
import { noFacts, printable } from "../provider/host/facts.ts";
import { lockFile, rejected } from "../provider/resources/release/layout.ts";
import { UsageError } from "./arguments.ts";
import { actOnHouses, type Act } from "./house-session.ts";

const USAGE = "usage: npm run rejected -- list [<house> …] | clear <house> … [-s <stack>]";

export const main = (args: readonly string[]): Promise<number> =>
  actOnHouses(args, ([what, ...names]) => {
    if (what === "list") return { names, act: list };
    if (what === "clear" && names.length > 0) return { names, act: clear };
    throw new UsageError(USAGE);
  });

async function linesOf({ house, session }: Parameters<Act>[0]): Promise<string[]> {
  const file = rejected(house.path);
  const { texts } = await session.observe({ ...noFacts, texts: [file] });
  const lines = (texts.get(file) ?? "").split("\n").filter((line) => line !== "");
  return lines;
}

const shown = (lines: string[]): string[] => lines.map((line) => printable(line.replaceAll("\t", " ")));

const list: Act = async (at) => {
  const lines = await linesOf(at);
  return lines.length === 0 ? "no release has failed here" : shown(lines).join("\n  ");
};

const clear: Act = async (at) => {
  const lines = await linesOf(at);
  if (lines.length === 0) return "no release has failed here; nothing was changed";
  const { house, session } = at;
  await session.change({
    lock: lockFile(house.path),
    // What was refused since was not seen, and stays.
    steps: [{ do: "delist", path: rejected(house.path), ids: lines.map((line) => line.split("\t")[0]!) }],
  });
  return `cleared, and tried again by the next npm run up: ${shown(lines).join("; ")}`;
};
