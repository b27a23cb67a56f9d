/**
 * Random deploys and random faults on three real houses. After each, every house must run exactly one
 * whole release that once passed its check, its agent must answer, and no key may stand in any log.
 */
import { prepareDeploy } from "./deploys.ts";
import { dice } from "./dice.ts";
import { prepareDisturbance } from "./disturbances.ts";
import type { Ground, House } from "./ground.ts";
import { Judge } from "./judge.ts";
import type { Options, Sabotage } from "./options.ts";

/** How many runs there were, and in how many something was found. */
export interface Result {
  runs: number;
  broken: number;
  leaks: number;
  unhealthy: number;
  seed: number;
}

const SABOTAGE: Record<Sabotage, (ground: Ground) => Promise<void>> = {
  revert: async ({ fleet }) => {
    // What would run when the time is up does nothing.
    fleet.edit("provider/host/shell/arm.sh", '-- /bin/sh "$1/pending/revert.sh" timer', "-- /bin/true");
  },
  secret: async ({ houses: [house], secrets }) => void (await house!.host(`logger 'a key: ${secrets[0]}'`)),
};

/**
 * @param ground houses that are well; an operator would not want to keep them
 * @param say what happens, a line each
 */
export async function chaos(
  ground: Ground,
  options: Omit<Options, "json">,
  say: (line: string) => void,
): Promise<Result> {
  const { runs, seed, sabotage } = options;
  say(`chaos: ${runs} runs, seed ${seed}${sabotage === undefined ? "" : `, sabotaged: ${sabotage}`}`);
  if (sabotage !== undefined) await SABOTAGE[sabotage](ground);
  const result: Result = { runs: 0, broken: 0, leaks: 0, unhealthy: 0, seed };
  const judge = new Judge(ground);
  let failing: House[] = [];
  for (; result.runs < runs; result.runs++) {
    // Each run has dice of its own, so that what one of them rolls does not depend on how long another took.
    const own = dice(seed + result.runs * 7919);
    const deploy = await prepareDeploy(ground, own, failing);
    const disturbance = prepareDisturbance(ground, own);
    ({ failing } = deploy);
    const begun = Date.now();
    await disturbance.before?.();
    const { result: ended } = ground.fleet.start("up", ["--yes", "--recover"]);
    let over = false;
    const [{ code, stdout, stderr }] = await Promise.all([
      ended.finally(() => (over = true)),
      disturbance.meanwhile?.(() => over),
    ]);
    await disturbance.after?.();
    deploy.undo?.();
    const verdict = await judge.judge(stdout + stderr);
    for (const kind of ["broken", "leaks", "unhealthy"] as const)
      if (verdict[kind].length > 0) result[kind]++;
    const found = [
      ...verdict.broken,
      ...verdict.unhealthy,
      ...verdict.leaks.map((place) => `a key in ${place}`),
    ];
    const inForce = ground.houses.map(({ name }) => `${name} ${verdict.releases[name]?.slice(0, 6)}`);
    say(
      `${result.runs + 1}/${runs}: ${deploy.words}; ${disturbance.words}: exit ${code}, ${inForce.join(", ")}, ` +
        `${((Date.now() - begun) / 1000).toFixed(0)} s${found.length === 0 ? "" : `\n  FOUND ${found.join("\n  FOUND ")}`}`,
    );
    if (found.length > 0) say((stdout + stderr).replace(/^/gm, "    "));
  }
  return result;
}
