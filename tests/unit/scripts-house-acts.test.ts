/** What the commands for single houses do on a host, step by step; the host is what the test says it is. */
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { beforeEach, describe, expect, it } from "vitest";

import { drainCommands, drainedFlag } from "../../components/drain/command-lines.ts";
import { loadFleet } from "../../fleet/index.ts";
import { ChangeFailed } from "../../provider/errors.ts";
import type { FactRequest, Facts } from "../../provider/host/facts.ts";
import { localTransport } from "../../provider/host/local.ts";
import { openSession } from "../../provider/host/session.ts";
import type { Plan, Step } from "../../provider/host/steps.ts";
import { restartMark } from "../../provider/resources/running.ts";
import { drain, takeBack } from "../../scripts/drain.ts";
import { ActFailed, type HouseSession } from "../../scripts/house-session.ts";
import { preparing } from "../../scripts/retire-living.ts";
import { steps as revocation } from "../../scripts/revoke.ts";

const fleet = loadFleet(path.join(import.meta.dirname, "..", "..", "wizards"));
const ezra = fleet.houses.find(({ name }) => name === "ezra")!;
const HOUSE = ezra.path;
const UNIT = "hermes-ezra.service";
const FLAG = drainedFlag("ezra");
const SINCE = "2026-01-31T02:30:00Z\tby ada";

/** Files that are there, with their text; links count as such. */
let there: Map<string, string>;
let plans: Step[][];
/** What fails, by the plan's number. */
let fails: Record<number, ChangeFailed>;
beforeEach(() => {
  there = new Map([[`${HOUSE}/current`, ""]]);
  plans = [];
  fails = {};
});

const observe = ({ texts, unopened }: FactRequest): Promise<Facts> =>
  Promise.resolve({
    ...{ folders: new Map(), answers: new Map(), units: new Map() },
    texts: new Map(texts.map((file) => [file, there.get(file)])),
    paths: new Map(
      unopened.map((file) => [file, there.has(file) ? { kind: "link", target: "" } : { kind: "absent" }]),
    ),
  } as unknown as Facts);
const change = ({ steps }: Plan): Promise<void> => {
  const failure = fails[plans.push(steps) - 1];
  return failure === undefined ? Promise.resolve() : Promise.reject(failure);
};
const at = (house: object = {}): HouseSession =>
  ({
    house: { ...ezra, ...house },
    ...{ fleet, stack: "prod", settings: { environment: "prod" }, signal: new AbortController().signal },
    transport: { vantage: { prefix: "", owners: true } },
    session: { observe, change },
  }) as unknown as HouseSession;
const unmerged = () => new ChangeFailed("host forge: cron/jobs.json is not JSON", "switched");
const names = (steps: Step[] | undefined) => steps?.map((step) => step.do);

describe("a drain", () => {
  it("that cannot begin takes its flag back, and says that the house works on", async () => {
    fails = { 0: unmerged() };
    await expect(drain(at(), 1)).rejects.toThrow(
      /^host forge: .* is not JSON\n  It is not drained, and works on$/,
    );
    expect(plans[1]).toEqual([{ do: "remove", path: FLAG }]);
  });

  it("says which flag is left where that fails as well", async () => {
    fails = { 0: unmerged(), 1: new ChangeFailed("another change has held the lock", "as-before") };
    await expect(drain(at(), 1)).rejects.toThrow(`${FLAG} is there (another change has held the lock)`);
  });

  it("keeps the flag of an earlier one, and touches none where it came to nothing", async () => {
    there.set(FLAG, SINCE);
    fails = { 0: unmerged() };
    await expect(drain(at(), 1)).rejects.toBe(fails[0]);
    there.delete(FLAG);
    fails = { 1: new ChangeFailed("another change has held the lock", "as-before") };
    await expect(drain(at(), 1)).rejects.toBe(fails[1]);
    expect(plans).toHaveLength(2);
  });

  it("is taken back with its jobs first, then marked until the gateway is well", async () => {
    there.set(FLAG, SINCE);
    expect(await takeBack(at())).toBe(
      "works again, and is well; it was drained since 2026-01-31T02:30:00Z by ada",
    );
    expect(plans[0]!.slice(0, 4)).toEqual([
      { do: "merge", argv: drainCommands(HOUSE).end, as: "wizard-ezra" },
      { do: "mark-restart", unit: UNIT },
      { do: "remove", path: FLAG },
      { do: "start-over", unit: UNIT },
    ]);
    expect(names(plans[0]!.slice(4))).toEqual(["healthy"]);
  });

  it("stays one where its jobs cannot go on, and says what to repeat", async () => {
    there.set(FLAG, SINCE);
    fails = { 0: unmerged() };
    await expect(takeBack(at())).rejects.toThrow(
      "cron/jobs.json is not JSON\n  It is still drained. When that is put right: npm run drain -- --undo ezra -s prod",
    );
  });

  it("is taken back to the end by whoever says it again without the flag, and not where nothing is left to do", async () => {
    expect(await takeBack(at())).toBe("it is not drained; nothing was changed");
    there.set(restartMark(UNIT), "");
    expect(await takeBack(at())).toBe("works again, and is well");
    expect(plans).toHaveLength(1);
  });
});

describe("a house that is to be retired with a last backup", () => {
  it("is left as it is where it declares none, and told what to say", async () => {
    there.set(FLAG, SINCE);
    const retired = preparing("prod", "/srv/backups")(at());
    await expect(retired).rejects.toThrow(ActFailed);
    await expect(retired).rejects.toThrow(
      /declares no backup, .*nothing was changed\. .*backup: in .* --no-backup/,
    );
    expect(await preparing("prod", undefined)(at())).toContain("no backup is taken");
  });
});

describe("a revocation", () => {
  const [A, B] = ["a".repeat(16), "b".repeat(16)];

  it("changes nothing where a revert has brought back meanwhile what it would take away", async () => {
    const root = mkdtempSync(path.join(os.tmpdir(), "revoke-"));
    try {
      const real = (...parts: string[]) => path.join(root, HOUSE, ...parts);
      for (const id of [A, B]) mkdirSync(real("releases", id), { recursive: true });
      const [current, good] = ["current", "known-good"].map((name) => `${HOUSE}/${name}`);
      const seen = {
        links: [
          { path: current!, target: `releases/${B}` },
          { path: good!, target: `releases/${A}` },
        ],
        knownGood: A,
      };
      symlinkSync(`releases/${A}`, real("current"));
      symlinkSync(`releases/${A}`, real("known-good"));
      const session = openSession({
        ...{ name: "forge", transport: localTransport(root, "/"), signal: new AbortController().signal },
        ...{ settled: () => Promise.resolve(), inform: () => {} },
      });
      const revoke = () =>
        session.change({ lock: `${HOUSE}/.lock`, steps: revocation(HOUSE, seen, [A], "by hand") });
      await expect(revoke()).rejects.toThrow(`current has changed meanwhile: it points to releases/${A}`);
      expect(readlinkSync(real("known-good"))).toBe(`releases/${A}`);
      expect(readdirSync(real("releases"))).toEqual([A, B]);
      rmSync(real("current"));
      symlinkSync(`releases/${B}`, real("current"));
      await revoke();
      expect(readdirSync(real("releases"))).toEqual([B]);
      // The release that is known to be good now is another one than was looked at.
      symlinkSync(`releases/${B}`, real("known-good"));
      await expect(revoke()).rejects.toThrow("known-good has changed meanwhile");
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
