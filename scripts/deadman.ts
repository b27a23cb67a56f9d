/** `npm run deadman -- status|clear <house> …`: what the deadman switches have given up, and taking that back. */
import { deadmanFlag } from "../components/deadman/conf.ts";
import { noFacts, printable } from "../provider/host/facts.ts";
import { lockFile } from "../provider/resources/release/layout.ts";
import { UsageError } from "./arguments.ts";
import { actOnHouses, type Act } from "./house-session.ts";

const USAGE = "usage: npm run deadman -- status [<house> …] | clear <house> … [-s <stack>]";

export const main = (args: readonly string[]): Promise<number> =>
  actOnHouses(args, ([what, ...names]) => {
    if (what === "status") return { names, act: status };
    if (what === "clear" && names.length > 0) return { names, act: clear };
    throw new UsageError(USAGE);
  });

async function flagOf({ house, session }: Parameters<Act>[0]): Promise<string | undefined> {
  const file = deadmanFlag(house.name);
  const { texts } = await session.observe({ ...noFacts, texts: [file] });
  const text = texts.get(file);
  return text === undefined ? undefined : printable(text.replaceAll("\t", " "));
}

const status: Act = async (at) => {
  const flag = await flagOf(at);
  return flag === undefined ? "its deadman switch watches" : `deadman_active since ${flag}`;
};

const clear: Act = async (at) => {
  const flag = await flagOf(at);
  if (flag === undefined) return "its deadman switch had not given up; nothing was changed";
  const { house, session } = at;
  await session.change({
    lock: lockFile(house.path),
    steps: [{ do: "remove", path: deadmanFlag(house.name) }],
  });
  return `cleared; it was active since ${flag}. The switch starts afresh, and npm run up changes the house again`;
};
