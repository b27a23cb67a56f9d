/** Whether the houses are as they must be after a run, whatever happened in it. */
import { existsSync } from "node:fs";
import path from "node:path";

import { FAULTS } from "../hosts/faults.ts";
import { filesWith, leaksIn } from "../engine/leaks.ts";
import { within } from "../hosts/within.ts";
import { DEADLINES, type Ground, type House } from "./ground.ts";

export interface Verdict {
  /** Houses that do not run exactly one whole release that once passed its check, and why. */
  broken: string[];
  /** Houses whose agent does not answer. */
  unhealthy: string[];
  /** Places where the value of a key stands that is none of them. */
  leaks: string[];
  /** The release in force, by house. */
  releases: Record<string, string>;
}

/** A release that passes no check, by what its configuration says. */
const FAILING = new Set<number>(
  Object.entries(FAULTS).flatMap(([fault, turns]) => (fault === "takes long to be checked" ? [] : [turns])),
);

/** Seconds in which every house must have come to rest by itself. */
const REST = DEADLINES.revertAfter + DEADLINES.healthDeadline + 25;

export class Judge {
  readonly #ground: Ground;
  /** What was in a release's folder when it was first seen in force. */
  readonly #contents = new Map<string, string>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** @param told everything that was printed in the run */
  async judge(told: string): Promise<Verdict> {
    const verdict: Verdict = { broken: [], unhealthy: [], leaks: [], releases: {} };
    await Promise.all(this.#ground.houses.map((house) => this.#judgeHouse(house, verdict)));
    verdict.leaks.push(...this.#leaksHere(told));
    return verdict;
  }

  async #judgeHouse(house: House, { broken, unhealthy, leaks, releases }: Verdict): Promise<void> {
    const { name, path: folder, port, host, holds } = house;
    const rest = await within(REST, async () => !(await holds(`test -e ${folder}/pending`)));
    if (!rest) broken.push(`${name}: a release is in force that nobody has confirmed or reverted`);
    const answers = await within(REST, () =>
      holds(`curl -s -m 5 http://127.0.0.1:${port}/health | grep -q '"status": *"ok"'`),
    );
    if (!answers) unhealthy.push(`${name}: its agent does not answer`);

    const release = (await host(`readlink ${folder}/current || :`)).trim().replace("releases/", "");
    releases[name] = release;
    if (!/^[0-9a-f]{16}$/.test(release)) {
      broken.push(`${name}: no release is in force`);
      return;
    }
    const at = `${folder}/releases/${release}`;
    const contents = await host(
      `cd ${at} && { find . -type f -exec sha256sum {} + ; find . -printf '%p %m %u %g %y %l\\n'; } | sort | sha256sum`,
    );
    const before = this.#contents.get(release) ?? contents;
    this.#contents.set(release, before);
    if (contents !== before) broken.push(`${name}: release ${release} is not what it was`);
    const turns = Number(/^ {2}max_turns: (\d+)$/m.exec(await host(`cat ${at}/config.yaml`))?.[1]);
    if (FAILING.has(turns)) broken.push(`${name}: release ${release} is in force and passes no check`);
    const startedOn = Number(await host(`cat ${folder}/home/state/started-on || :`));
    if (answers && startedOn !== turns) {
      broken.push(`${name}: the agent runs on another release (${startedOn}) than is in force (${turns})`);
    }
    const marked = await host(`readlink ${folder}/known-good || :`);
    if (marked.trim() !== `releases/${release}`)
      broken.push(`${name}: release ${release} is in force and not known as good`);

    for (const where of [
      "journalctl -b --no-pager -o export",
      `cat ${folder}/home/logs/* /var/log/*.log 2>/dev/null || :`,
    ]) {
      const found = leaksIn(await host(`${where} | grep -a chaos-canary || :`), this.#ground.secrets);
      if (found.length > 0) leaks.push(`${name}: ${where.split(" ")[0]} on its host`);
    }
  }

  /** What was printed, the engine's own logs, and the stack's state with its history. */
  #leaksHere(told: string): string[] {
    const { fleet, secrets } = this.#ground;
    const found = leaksIn(told, secrets).length > 0 ? ["what was printed"] : [];
    const folders = [".pulumi", "pulumi/logs"]
      .map((name) => path.join(fleet.ownFolder, name))
      .filter(existsSync);
    return [...found, ...folders.flatMap((folder) => filesWith(folder, secrets))];
  }
}
