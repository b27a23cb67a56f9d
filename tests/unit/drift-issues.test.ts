import { describe, expect, it } from "vitest";

import {
  houseOfIssue,
  issueActs,
  type DriftFindings,
  type OpenIssue,
} from "../../scripts/forge/drift-issues.ts";

const drift = (house: string) => ({
  house,
  aspect: "files",
  file: "a",
  property: "mode",
  got: "0644",
  want: "0640",
});
const clean: DriftFindings = {
  exitCode: 0,
  drift: [],
  agents: [],
  unreachable: [],
  visited: ["ezra", "allegro"],
};

/** The issue that a look at a drifted house opens. */
function issue(house: string, number = 7): OpenIssue {
  const [act] = issueActs({ ...clean, exitCode: 7, drift: [drift(house)] }, []);
  if (act?.do !== "open") throw new Error("no issue was opened");
  return { number, body: act.body };
}

describe("issues about drift", () => {
  it("one for each house, which it names", () => {
    const acts = issueActs(
      { ...clean, exitCode: 7, drift: [drift("ezra"), drift("ezra"), drift("allegro")] },
      [],
    );
    expect(acts.map((act) => (act.do === "open" ? act.title : act))).toEqual([
      "Drift: ezra",
      "Drift: allegro",
    ]);
    expect(houseOfIssue(issue("ezra").body)).toBe("ezra");
  });

  it("nothing where all is told", () => {
    expect(issueActs({ ...clean, exitCode: 7, drift: [drift("ezra")] }, [issue("ezra")])).toEqual([]);
  });

  it.each<[string, Partial<DriftFindings>, boolean]>([
    ["a clean look closes", {}, true],
    ["the others' drift is not this one's", { exitCode: 7, drift: [drift("allegro")] }, true],
    ["nobody could look at it", { exitCode: 4, unreachable: [{ house: "ezra" }] }, false],
    ["a broken run that came to it", { exitCode: 1 }, true],
    ["a broken run that did not", { exitCode: 1, visited: [] }, false],
    ["a house that is no more", { visited: ["allegro"] }, true],
  ])("%s", (_name, findings, closes) => {
    const acts = issueActs({ ...clean, ...findings }, [issue("ezra")]).filter((act) => act.do === "close");
    expect(acts).toEqual(closes ? [{ do: "close", number: 7 }] : []);
  });

  it("closes what is there twice, and touches no issue of others", () => {
    const other = { number: 1, body: "Drift: ezra" };
    const findings = { ...clean, exitCode: 7, drift: [drift("ezra")] };
    expect(issueActs(findings, [other, issue("ezra", 7), issue("ezra", 9)])).toEqual([
      { do: "close", number: 9 },
    ]);
  });
});
