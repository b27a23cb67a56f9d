/**
 * `npm run revoke -- <house> <release|KEY>`: a release that must never run again; or, after a key was changed, every
 * release that still holds its old value. What is revoked goes from the host, and nothing goes back to it: where it would
 * be the only choice, the unit is stopped instead.
 */
import { factOf, noFacts } from "../provider/host/facts.ts";
import type { Step } from "../provider/host/steps.ts";
import {
  current,
  knownGood,
  lockFile,
  pending,
  releaseFolder,
  releaseOfTarget,
  releases,
  revoked,
} from "../provider/resources/release/layout.ts";
import { UsageError } from "./arguments.ts";
import { actOnHouses, type HouseSession } from "./house-session.ts";

const USAGE = "usage: npm run revoke -- <house> <release id of 16 hex digits | NAME_OF_A_KEY> [-s <stack>]";

export const main = (args: readonly string[]): Promise<number> =>
  actOnHouses(args, ([house, what, ...more]) => {
    if (house === undefined || what === undefined || more.length > 0) throw new UsageError(USAGE);
    if (/^[0-9a-f]{16}$/.test(what)) return { names: [house], act: (at) => revokeRelease(at, what) };
    if (/^[A-Z][A-Z0-9_]*$/.test(what)) return { names: [house], act: (at) => revokeOthers(at, what) };
    throw new UsageError(`${JSON.stringify(what)} is neither a release nor the name of a key; ${USAGE}`);
  });

interface Standing {
  /** Where the two links point that say what is in force; empty where there is none. */
  links: { path: string; target: string }[];
  current: string | undefined;
  knownGood: string | undefined;
  pending: boolean;
  there: string[];
}

async function standing({ house, session }: HouseSession): Promise<Standing> {
  const { path } = house;
  const facts = await session.observe({
    ...noFacts,
    unopened: [current(path), knownGood(path)],
    folders: [releases(path), pending(path)],
  });
  const links = [current(path), knownGood(path)].map((link) => {
    const fact = factOf(facts, link);
    return { path: link, target: fact.kind === "link" ? fact.target : "" };
  });
  const [now, good] = links.map(({ target }) => releaseOfTarget(target));
  return {
    links,
    current: now,
    knownGood: good,
    pending: (facts.folders.get(pending(path)) ?? []).length > 0,
    there: (facts.folders.get(releases(path)) ?? [])
      .map(({ name }) => name)
      .filter((id) => /^[0-9a-f]{16}$/.test(id)),
  };
}

/**
 * Steps that write down what is revoked and take it from the host: unless, while the lock was waited for, a revert or the
 * deadman switch has brought something else into force than what was looked at.
 */
export function steps(
  path: string,
  { links, knownGood: good }: Pick<Standing, "links" | "knownGood">,
  ids: readonly string[],
  why: string,
): Step[] {
  return [
    ...links.map((link): Step => ({ do: "still", ...link })),
    ...ids.map((id): Step => ({ do: "enlist", path: revoked(path), id, why })),
    ...(good !== undefined && ids.includes(good) ? [{ do: "remove", path: knownGood(path) } as const] : []),
    ...ids.map((id): Step => ({ do: "remove-tree", path: releaseFolder(path, id) })),
  ];
}

async function revokeRelease(at: HouseSession, id: string): Promise<string> {
  const { path } = at.house;
  const stands = await standing(at);
  if (stands.current === id) {
    throw new UsageError(
      `release ${id} is what runs now: bring the house to another one with npm run up, then revoke it`,
    );
  }
  if (!stands.there.includes(id))
    throw new UsageError(`has no release ${id}; it has ${stands.there.join(", ") || "none"}`);
  await at.session.change({ lock: lockFile(path), steps: steps(path, stands, [id], "by hand") });
  return `release ${id} is revoked and gone from the host`;
}

async function revokeOthers(at: HouseSession, key: string): Promise<string> {
  const { path } = at.house;
  const stands = await standing(at);
  if (stands.pending || stands.current === undefined || stands.current !== stands.knownGood) {
    throw new UsageError(
      `what runs now is not confirmed, and what was before may be needed: run npm run up, then revoke ${key}`,
    );
  }
  const others = stands.there.filter((id) => id !== stands.current);
  if (others.length === 0) return `only the release that runs is there; no other holds a value of ${key}`;
  await at.session.change({
    lock: lockFile(path),
    steps: steps(path, stands, others, `holds a former ${key}`),
  });
  return `${others.join(", ")} revoked and gone from the host: only the release that runs holds ${key}`;
}
