/** Release as data: inputs in, completed inputs out; facts in, exact steps or observed inputs out. */
import { describe, expect, it } from "vitest";

import { CannotLook, Conflict, LeftAlone } from "../../provider/errors.ts";
import type { Fact, Facts, FolderEntry, UnitState } from "../../provider/host/facts.ts";
import { LONGEST } from "../../provider/host/deadline.ts";
import { shellText } from "../../provider/host/shell.ts";
import type { Step } from "../../provider/host/steps.ts";
import { changes } from "../../provider/diff.ts";
import { check, diff } from "../../provider/operations.ts";
import { complete } from "../../provider/resources/release/complete.ts";
import { isRevertUnit } from "../../provider/host/revert.ts";
import {
  markerContent,
  releaseFiles,
  releaseInputs,
  wantedLinks,
  wantsLink,
} from "../../provider/resources/release/layout.ts";
import { sha256 } from "../../provider/resources/observed.ts";
import { release } from "../../provider/resources/release/release.ts";
import type { State } from "../../provider/resource.ts";
import { formatPath, UNKNOWN, type Values } from "../../provider/values.ts";

const HOUSE = "/srv/wizards/ezra";
const ENTRY = { name: "tidy", schedule: "@daily", user: "wizard-ezra", command: ["/usr/bin/true", "a b"] };

function declare(over: Values = {}): Values {
  const given: Values = {
    host: { name: "tower", transport: "local", root: "hosts/tower" },
    house: HOUSE,
    group: "wizard-ezra",
    salt: "project/dev",
    files: {
      "config.yaml": { content: "a: 1\n", part: "golden-state" },
      "skins/ezra.yaml": { content: "name: ezra\n" },
    },
    links: { "home/SOUL.md": { target: "config.yaml" } },
    directories: { home: { mode: "0700", owner: "wizard-ezra" } },
    units: { "hermes-ezra.service": { content: "[Service]\n", restartOn: ["config.yaml"] } },
    cron: { "wizard-ezra": { entries: [ENTRY as unknown as Values] } },
    traces: ["/var/lib/wizard-houses/ezra"],
    ...over,
  };
  const { inputs, failures } = check(release, given);
  expect(failures).toEqual([]);
  return inputs;
}

/** Facts of a host on which everything is as declared, with changes. */
function facts(inputs: Values, over: Record<string, Fact> = {}, releases?: FolderEntry[]): Facts {
  const declared = releaseInputs(inputs);
  const paths = new Map<string, Fact>();
  const folder = (mode: string): Fact => ({ kind: "directory", mode, owner: "", group: "" });
  const file = (content: string, mode: string): Fact => {
    return { kind: "file", mode, owner: "", group: "", size: content.length, sha256: sha256(content) };
  };
  const request = release.request(inputs, undefined);
  for (const path of request.paths) paths.set(path, folder("0750"));
  for (const path of request.unopened) paths.set(path, { kind: "absent" });
  const link = (path: string, target: string) => paths.set(path, { kind: "link", target });
  const place = `${HOUSE}/releases/${declared.release}`;
  for (const { name, content, mode } of releaseFiles(declared)) {
    paths.set(`${place}/${name}`, file(String(content), mode));
    paths.set(`${HOUSE}/current/${name}`, file(String(content), mode));
  }
  paths.set(`${HOUSE}/.wizard-house`, file(markerContent(declared), "0644"));
  paths.set(`${HOUSE}/home`, folder("0700"));
  link(`${HOUSE}/current`, `releases/${declared.release}`);
  link(`${HOUSE}/known-good`, `releases/${declared.release}`);
  link(`${HOUSE}/home/SOUL.md`, "../current/config.yaml");
  link(
    "/etc/systemd/system/hermes-ezra.service",
    "../../../srv/wizards/ezra/current/units/hermes-ezra.service",
  );
  link("/etc/systemd/system/multi-user.target.wants/hermes-ezra.service", "../hermes-ezra.service");
  link("/etc/cron.d/wizard-ezra", "../../srv/wizards/ezra/current/cron/wizard-ezra");
  for (const { path, target, at } of wantedLinks(declared)) if (isRevertUnit(at[1])) link(path, target);
  for (const unit of Object.keys(declared.units).filter(isRevertUnit))
    link(wantsLink(unit, "multi-user.target"), `../${unit}`);
  for (const [path, fact] of Object.entries(over)) paths.set(path, fact);
  return {
    paths,
    folders: new Map([[`${HOUSE}/releases`, releases ?? [{ name: declared.release, modified: 100 }]]]),
    texts: new Map(),
    answers: new Map(),
    accounts: new Map(),
    units: new Map(),
    packages: undefined,
    harnesses: undefined,
  };
}

/** Facts of a host on which nothing is. */
function bare(inputs: Values, over: Record<string, Fact> = {}): Facts {
  const request = release.request(inputs, undefined);
  const nothing = [...request.paths, ...request.unopened].map((path) => [path, { kind: "absent" }] as const);
  return facts(inputs, { ...Object.fromEntries(nothing), ...over }, []);
}

const said = (steps: Step[]): string[] =>
  steps.map((step) => {
    const { do: what, ...rest } = step;
    const place = "path" in rest ? rest.path : "folder" in rest ? rest.folder : "";
    return [what, place, "target" in rest ? rest.target : "to" in rest ? rest.to : ""].join(" ").trim();
  });
const state = (inputs: Values): State => ({ inputs, outputs: { release: inputs["release"]!, previous: "" } });
const plan = (inputs: Values, there: Facts, old?: Values) =>
  said(release.reconcile(inputs, old && state(old), there).plan.steps);

describe("what follows from the inputs", () => {
  it("fills in modes, owners, computed paths and the rendered cron file", () => {
    const inputs = declare();
    expect(inputs["files"]).toMatchObject({
      "config.yaml": { mode: "0640", owner: "root", group: "wizard-ezra", part: "golden-state" },
    });
    expect(inputs["units"]).toMatchObject({
      "hermes-ezra.service": {
        enabled: true,
        wantedBy: "multi-user.target",
        path: "/etc/systemd/system/hermes-ezra.service",
      },
    });
    expect(inputs["cron"]).toMatchObject({
      "wizard-ezra": {
        path: "/etc/cron.d/wizard-ezra",
        content: expect.stringContaining("@daily wizard-ezra "),
      },
    });
    expect(inputs["release"]).toMatch(/^[0-9a-f]{16}$/);
  });

  it("gives equal content the same id in any order, and is stable over completed inputs", () => {
    const files = { "skins/ezra.yaml": { content: "name: ezra\n" }, "config.yaml": { content: "a: 1\n" } };
    expect(declare({ files })["release"]).toBe(declare()["release"]);
  });

  it.each<[string, Values]>([
    [
      "content",
      { files: { "config.yaml": { content: "a: 2\n" }, "skins/ezra.yaml": { content: "name: ezra\n" } } },
    ],
    [
      "mode",
      {
        files: {
          "config.yaml": { content: "a: 1\n", mode: "0600" },
          "skins/ezra.yaml": { content: "name: ezra\n" },
        },
      },
    ],
    ["salt", { salt: "project/prod" }],
    ["cron", { cron: {} }],
    ["unit", { units: {} }],
    ["health", { health: { http: "http://127.0.0.1:1/health" } }],
  ])("gives another id to another %s", (_, over) =>
    expect(declare(over)["release"]).not.toBe(declare()["release"]),
  );

  it("takes a file of the project for what it holds", () => {
    const text = { "config.yaml": { content: "a: 1\n" }, x: { content: "x" } };
    const named = { ...text, x: { source: "components/x.sh", sha256: sha256("x") } };
    const moved = { ...text, x: { source: "components/y.sh", sha256: sha256("x") } };
    const other = { ...text, x: { source: "components/x.sh", sha256: sha256("y") } };
    const id = (files: Values) => declare({ files, links: {} })["release"];
    expect([id(named), id(moved)]).toEqual([id(text), id(text)]);
    expect(id(other)).not.toBe(id(text));
  });

  it.each<[string, Values, string]>([
    ["nothing", { mode: "0640" }, "nothing"],
    ["two", { content: "x", source: "x.sh", sha256: sha256("x") }, "content, source, sha256"],
    ["a path without a digest", { source: "x.sh" }, "source"],
  ])("refuses a file whose content is said by %s", (_, file, said) => {
    const { failures } = complete({ house: HOUSE, group: "g", salt: "s", files: { x: file } });
    const reason = `says what it holds by ${said}; allowed: content alone, or source and sha256`;
    expect(failures).toEqual([{ path: ["files", "x"], reason }]);
  });

  it("leaves the id unknown while a content is", () => {
    expect(declare({ files: { "config.yaml": { content: UNKNOWN } }, links: {} })["release"]).toBe(UNKNOWN);
  });

  it.each<[string, Values, string]>([
    [
      "a path that leaves the release",
      { files: { "../x": { content: "" } } },
      'files["../x"] must not have empty, . or ..',
    ],
    ["an absolute path", { files: { "/etc/x": { content: "" } } }, "without a leading /"],
    [
      "a name the layout uses",
      { links: { "current/x": { target: "config.yaml" } } },
      "the layout uses these",
    ],
    [
      "a link to nothing",
      { links: { "home/x": { target: "y" } } },
      "names y, which is not a file of this release",
    ],
    [
      "a unit that is none",
      { units: { hermes: { content: "" } } },
      "units.hermes must be a systemd unit name",
    ],
    ["a cron file that cron ignores", { cron: { "a.b": { entries: [] } } }, "cron ignores others"],
    [
      "a schedule that is none",
      { cron: { a: { entries: [{ ...ENTRY, schedule: "61 * * * *" } as unknown as Values] } } },
      "cron.a.entries[0].schedule",
    ],
    [
      "a command with a percent sign",
      { cron: { a: { entries: [{ ...ENTRY, command: ["/bin/date", "+%s"] } as unknown as Values] } } },
      "cron.a.entries[0].command[1]",
    ],
    [
      "two entries of one name",
      { cron: { a: { entries: [ENTRY, ENTRY] as unknown as Values[] } } },
      "repeats tidy",
    ],
    [
      "ssh without a pinned key",
      { host: { name: "a", transport: "ssh", address: "b", user: "root" } },
      "host.hostKey is required",
    ],
    ["a local host without a folder", { host: { name: "a", transport: "local" } }, "host.root is required"],
  ])("refuses %s", (_, over, text) => {
    const given = {
      host: { name: "t", transport: "local", root: "x" },
      house: HOUSE,
      group: "g",
      salt: "s",
      files: { "config.yaml": { content: "" } },
    };
    const { failures } = check(release, { ...given, ...over });
    expect(failures.map(({ path, reason }) => `${formatPath(path)} ${reason}`).join("\n")).toContain(text);
  });

  it("does not take a renamed label for another release", () => {
    const relabelled = structuredClone(declare()["files"]) as Record<string, Values>;
    relabelled["config.yaml"]!["part"] = "other";
    expect(complete({ ...declare(), files: relabelled }).inputs["release"]).toBe(declare()["release"]);
  });
});

describe("diff", () => {
  const differ = (news: Values) => diff(release, declare(), news);
  it("finds nothing between equal inputs", () => expect(differ(declare()).changes).toEqual([]));
  it("updates in place when the host is reached otherwise", () => {
    const { changes, replaces } = differ(
      declare({ host: { name: "tower", transport: "local", root: "elsewhere" } }),
    );
    expect(changes.map(({ path }) => formatPath(path))).toEqual(["host.root"]);
    expect(replaces).toEqual([]);
  });
  it.each<[string, Values]>([
    ["another host", { host: { name: "other", transport: "local", root: "hosts/tower" } }],
    ["another house", { house: "/srv/wizards/esdras" }],
  ])("replaces for %s", (_, over) => expect(differ(declare(over)).replaces).toHaveLength(1));
});

describe("plan", () => {
  const inputs = declare();
  const id = inputs["release"] as string;

  it("has no steps where everything agrees", () => expect(plan(inputs, facts(inputs), inputs)).toEqual([]));

  it("brings up a house from nothing: prepare, commit, switch, link", () => {
    const staging = `${HOUSE}/releases/.${id}.staged`;
    expect(plan(inputs, bare(inputs))).toEqual([
      `folder ${HOUSE}`,
      `file ${HOUSE}/.wizard-house`,
      `folder ${HOUSE}/releases`,
      `folder ${HOUSE}/home`,
      `remove-tree ${staging}`,
      `folder ${staging}`,
      `folder ${staging}/cron`,
      `folder ${staging}/skins`,
      `folder ${staging}/units`,
      `file ${staging}/config.yaml`,
      `file ${staging}/skins/ezra.yaml`,
      `file ${staging}/units/hermes-ezra.service`,
      `file ${staging}/cron/wizard-ezra`,
      `rename ${staging} ${HOUSE}/releases/${id}`,
      "commit",
      `touch ${HOUSE}/releases/${id}/cron/wizard-ezra`,
      `link ${HOUSE}/current releases/${id}`,
      "ensure-folder /etc/systemd/system",
      "ensure-folder /etc/cron.d",
      "ensure-folder /etc/systemd/system/multi-user.target.wants",
      `link ${HOUSE}/home/SOUL.md ../current/config.yaml`,
      "link /etc/systemd/system/hermes-ezra.service ../../../srv/wizards/ezra/current/units/hermes-ezra.service",
      "link /etc/cron.d/wizard-ezra ../../srv/wizards/ezra/current/cron/wizard-ezra",
      "link /etc/systemd/system/multi-user.target.wants/hermes-ezra.service ../hermes-ezra.service",
      `link ${HOUSE}/known-good releases/${id}`,
    ]);
  });

  it("switches to a new release, remembers the one before and prunes the oldest", () => {
    const next = declare({
      files: { "config.yaml": { content: "a: 2\n" }, "skins/ezra.yaml": { content: "name: ezra\n" } },
    });
    const nextId = next["release"] as string;
    const there = facts(inputs, {}, [
      { name: id, modified: 400 },
      { name: "1111111111111111", modified: 100 },
      { name: "2222222222222222", modified: 300 },
      { name: "3333333333333333", modified: 200 },
      { name: ".4444444444444444.staged", modified: 500 },
      { name: "agents-own", modified: 1 },
    ]);
    for (const path of release.request(next, undefined).paths) {
      if (!there.paths.has(path)) there.paths.set(path, { kind: "absent" });
    }
    const result = release.reconcile(next, state(inputs), there);
    const steps = said(result.plan.steps);
    expect(result.outputs).toEqual({
      release: nextId,
      previous: id,
      knownGood: nextId,
      held: "",
      refused: [],
    });
    expect(steps.slice(steps.indexOf("commit"))).toEqual([
      "commit",
      `touch ${HOUSE}/releases/${nextId}/cron/wizard-ezra`,
      `link ${HOUSE}/current releases/${nextId}`,
      `link ${HOUSE}/known-good releases/${nextId}`,
      `remove-tree ${HOUSE}/releases/.4444444444444444.staged`,
      `remove-tree ${HOUSE}/releases/3333333333333333`,
      `remove-tree ${HOUSE}/releases/1111111111111111`,
    ]);
  });

  const place = `${HOUSE}/releases/${id}`;
  const plain: Fact = { kind: "file", mode: "0644", owner: "", group: "", size: 1, sha256: sha256("x") };
  it.each<[string, Record<string, Fact>, string[]]>([
    [
      "a changed file",
      { [`${place}/config.yaml`]: { ...plain, mode: "0640" } },
      [`file ${place}/config.yaml`],
    ],
    ["a deleted file", { [`${place}/config.yaml`]: { kind: "absent" } }, [`file ${place}/config.yaml`]],
    [
      "a changed mode",
      { [`${place}/config.yaml`]: { ...plain, sha256: sha256("a: 1\n"), mode: "0666" } },
      [`attributes ${place}/config.yaml`],
    ],
    [
      "a plain file in place of current",
      { [`${HOUSE}/current`]: plain },
      [
        "commit",
        `touch ${place}/cron/wizard-ezra`,
        `displace ${HOUSE}/current`,
        `link ${HOUSE}/current releases/${id}`,
      ],
    ],
    [
      "a plain file in place of a link",
      { [`${HOUSE}/home/SOUL.md`]: plain },
      ["commit", `displace ${HOUSE}/home/SOUL.md`, `link ${HOUSE}/home/SOUL.md ../current/config.yaml`],
    ],
    [
      "a disabled unit",
      { "/etc/systemd/system/multi-user.target.wants/hermes-ezra.service": { kind: "absent" } },
      [
        "commit",
        "ensure-folder /etc/systemd/system/multi-user.target.wants",
        "link /etc/systemd/system/multi-user.target.wants/hermes-ezra.service ../hermes-ezra.service",
      ],
    ],
    [
      "a changed cron file",
      { [`${place}/cron/wizard-ezra`]: { ...plain } },
      [`file ${place}/cron/wizard-ezra`],
    ],
    [
      "a release folder opened to others",
      { [place]: { kind: "directory", mode: "0777", owner: "", group: "" } },
      [`folder ${place}`],
    ],
    [
      "the mark's mode",
      {
        [`${HOUSE}/.wizard-house`]: {
          ...(facts(inputs).paths.get(`${HOUSE}/.wizard-house`) as Fact & { kind: "file" }),
          mode: "0666",
        },
      },
      [`attributes ${HOUSE}/.wizard-house`],
    ],
    [
      "a folder's mode",
      { [`${HOUSE}/home`]: { kind: "directory", mode: "0755", owner: "", group: "" } },
      [`folder ${HOUSE}/home`],
    ],
  ])("repairs %s and nothing else", (_, over, expected) => {
    expect(plan(inputs, facts(inputs, over), inputs)).toEqual(expected);
  });

  it("stages the release anew where something else stands in its place", () => {
    const elsewhere: Fact = { kind: "link", target: "/home/mallory" };
    const steps = plan(inputs, facts(inputs, { [place]: elsewhere }), inputs);
    expect(steps.slice(0, 3)).toEqual([
      `displace ${place}`,
      `remove-tree ${HOUSE}/releases/.${id}.staged`,
      `folder ${HOUSE}/releases/.${id}.staged`,
    ]);
    expect(steps).toContain(`rename ${HOUSE}/releases/.${id}.staged ${place}`);
  });

  it("knows its own links also when the state describes what has taken their place", () => {
    const over = { "/etc/systemd/system/hermes-ezra.service": plain, [`${HOUSE}/home/SOUL.md`]: plain };
    const there = facts(inputs, over);
    const refreshed = release.observe(state(inputs), there)!;
    expect(plan(inputs, there, refreshed.inputs)).toContain(
      "displace /etc/systemd/system/hermes-ezra.service",
    );
  });

  it("takes down links that are no longer wanted, unless somebody put something else there", () => {
    const next = declare({ units: {}, cron: {} });
    const cron = { "/etc/cron.d/wizard-ezra": plain };
    const there = facts(inputs, cron);
    for (const path of release.request(next, inputs).paths) {
      if (!there.paths.has(path)) there.paths.set(path, { kind: "absent" });
    }
    const removed = plan(next, there, inputs).filter((step) => step.startsWith("remove "));
    expect(removed).toEqual([
      "remove /etc/systemd/system/multi-user.target.wants/hermes-ezra.service",
      "remove /etc/systemd/system/hermes-ezra.service",
    ]);
  });

  it.each<[string, Record<string, Fact>, string]>([
    [
      "a house that somebody else made",
      { [HOUSE]: { kind: "directory", mode: "0755", owner: "", group: "" } },
      `${HOUSE} exists and was not made by this stack`,
    ],
    [
      "a house of another stack",
      {
        [HOUSE]: { kind: "directory", mode: "0755", owner: "", group: "" },
        [`${HOUSE}/.wizard-house`]: plain,
      },
      "belongs to another stack",
    ],
    ["a file where the house should be", { [HOUSE]: plain }, "is not a folder"],
    ["somebody's cron file", { "/etc/cron.d/wizard-ezra": plain }, "/etc/cron.d/wizard-ezra exists"],
  ])("refuses %s and changes nothing", (_, over, text) => {
    expect(() => plan(inputs, bare(inputs, over))).toThrow(Conflict);
    expect(() => plan(inputs, bare(inputs, over))).toThrow(text);
  });

  it("adopts when told to, keeping what was there", () => {
    const adopting = declare({ adopt: true });
    const steps = plan(adopting, bare(adopting, { "/etc/cron.d/wizard-ezra": plain }));
    expect(steps).toContain("displace /etc/cron.d/wizard-ezra");
  });

  it("comes up again around the home that an earlier destroy kept", () => {
    const kept = {
      [HOUSE]: { kind: "directory", mode: "0750", owner: "", group: "" },
      [`${HOUSE}/.wizard-house`]: facts(inputs).paths.get(`${HOUSE}/.wizard-house`)!,
      [`${HOUSE}/home`]: { kind: "directory", mode: "0700", owner: "", group: "" },
    } satisfies Record<string, Fact>;
    expect(plan(inputs, bare(inputs, kept))).not.toContain(`folder ${HOUSE}/home`);
  });

  it("plans nothing on a host it cannot look at", () => {
    const blind = facts(inputs, { [`${HOUSE}/current`]: { kind: "unreadable", reason: "no permission" } });
    expect(() => plan(inputs, blind, inputs)).toThrow(CannotLook);
  });

  it("takes the house down, links first, and only links that are still ours", () => {
    const there = facts(inputs, { [`${HOUSE}/home/SOUL.md`]: plain });
    const steps = said(release.remove(state(inputs), there).steps);
    expect(steps).toEqual([
      "commit",
      "remove /etc/systemd/system/multi-user.target.wants/hermes-ezra.service",
      "remove /etc/systemd/system/hermes-ezra.service",
      "remove /etc/cron.d/wizard-ezra",
      `restore ${HOUSE}/home/SOUL.md`,
      "restore /etc/systemd/system/hermes-ezra.service",
      "restore /etc/cron.d/wizard-ezra",
      `remove-tree ${HOUSE}/pending.new`,
      `remove-tree ${HOUSE}/pending`,
      `remove ${HOUSE}/current`,
      `remove ${HOUSE}/known-good`,
      `remove ${HOUSE}/rejected`,
      `remove ${HOUSE}/revoked`,
      `remove-tree ${HOUSE}/releases`,
      `remove-if-empty ${HOUSE}/displaced`,
      `remove-if-empty ${HOUSE}/home/displaced`,
      `remove-if-empty ${HOUSE}/home`,
      "remove-tree /var/lib/wizard-houses/ezra",
      `remove-if-last ${HOUSE}`,
      "remove-if-empty /srv/wizards",
    ]);
  });
});

describe("observe", () => {
  const inputs = declare();
  const place = `${HOUSE}/releases/${inputs["release"] as string}`;
  const plain: Fact = {
    kind: "file",
    mode: "0644",
    owner: "",
    group: "",
    size: 21,
    sha256: sha256("pasted key"),
  };
  const drift = (over: Record<string, Fact>): Record<string, unknown> => {
    const seen = release.observe(state(inputs), facts(inputs, over))!;
    return Object.fromEntries(
      changes(inputs, seen.inputs).map(({ path }) => [
        formatPath(path),
        path.reduce<unknown>(
          (value, key) => (value as Record<string, unknown> | undefined)?.[key],
          seen.inputs,
        ) ?? null,
      ]),
    );
  };
  const digest = sha256("pasted key").slice(0, 8);

  it.each<[string, Record<string, Fact>, Record<string, unknown>]>([
    ["nothing", {}, {}],
    [
      "content, as a digest and never as text",
      { [`${place}/config.yaml`]: { ...plain, mode: "0640" } },
      { 'files["config.yaml"].content': `(on the host: sha256 ${digest}…, 21 bytes)` },
    ],
    [
      "mode",
      { [`${place}/config.yaml`]: { ...plain, mode: "0666", sha256: sha256("a: 1\n") } },
      { 'files["config.yaml"].mode': "0666" },
    ],
    [
      "owner, where it can be seen",
      {
        [`${place}/config.yaml`]: {
          ...plain,
          mode: "0640",
          owner: "mallory",
          group: "wizard-ezra",
          sha256: sha256("a: 1\n"),
        },
      },
      { 'files["config.yaml"].owner': "mallory" },
    ],
    ["absence", { [`${place}/config.yaml`]: { kind: "absent" } }, { 'files["config.yaml"]': null }],
    [
      "a link in place of a file",
      { [`${place}/config.yaml`]: { kind: "link", target: "/etc/shadow" } },
      { 'files["config.yaml"].content': "(on the host: a link to /etc/shadow)" },
    ],
    [
      "another release",
      { [`${HOUSE}/current`]: { kind: "link", target: "releases/0123456789abcdef" } },
      { release: "0123456789abcdef" },
    ],
    ["a plain file as current", { [`${HOUSE}/current`]: plain }, { release: "(on the host: a plain file)" }],
    ["no current", { [`${HOUSE}/current`]: { kind: "absent" } }, { release: "(on the host: absent)" }],
    [
      "a plain file in place of a link",
      { [`${HOUSE}/home/SOUL.md`]: plain },
      { 'links["home/SOUL.md"].target': "(on the host: a plain file)" },
    ],
    ["a missing link", { [`${HOUSE}/home/SOUL.md`]: { kind: "absent" } }, { 'links["home/SOUL.md"]': null }],
    [
      "a disabled unit",
      { "/etc/systemd/system/multi-user.target.wants/hermes-ezra.service": { kind: "absent" } },
      { 'units["hermes-ezra.service"].enabled': false },
    ],
    [
      "a plain unit file",
      { "/etc/systemd/system/hermes-ezra.service": plain },
      { 'units["hermes-ezra.service"].path': "(on the host: a plain file)" },
    ],
    [
      "a changed cron file",
      { [`${place}/cron/wizard-ezra`]: plain },
      { 'cron["wizard-ezra"].content': `(on the host: sha256 ${digest}…, 21 bytes)` },
    ],
    [
      "a cron file's mode",
      {
        [`${place}/cron/wizard-ezra`]: {
          ...facts(inputs).paths.get(`${place}/cron/wizard-ezra`)!,
          mode: "0666",
        } as Fact,
      },
      {
        'cron["wizard-ezra"].mode': "0666",
      },
    ],
    [
      "a folder's mode",
      { [`${HOUSE}/home`]: { kind: "directory", mode: "0777", owner: "", group: "" } },
      { "directories.home.mode": "0777" },
    ],
  ])("reports %s", (_, over, expected) => expect(drift(over)).toEqual(expected));

  it.each<[string, Record<string, Fact>, Record<string, unknown>]>([
    [
      "the house's mode",
      { [HOUSE]: { kind: "directory", mode: "0777", owner: "", group: "" } },
      { 'layout["."].mode': "0777" },
    ],
    [
      "a folder's mode inside the release",
      { [`${place}/skins`]: { kind: "directory", mode: "0777", owner: "", group: "" } },
      { 'layout["release/skins"].mode': "0777" },
    ],
    [
      "a link in place of the release folder",
      { [place]: { kind: "link", target: "/home/mallory" } },
      { "layout.release.mode": "(on the host: a link to /home/mallory)" },
    ],
    [
      "a changed mark",
      { [`${HOUSE}/.wizard-house`]: plain },
      { 'layout[".wizard-house"].mode': `(on the host: sha256 ${digest}…, 21 bytes)` },
    ],
    [
      "a missing mark",
      { [`${HOUSE}/.wizard-house`]: { kind: "absent" } },
      { 'layout[".wizard-house"]': null },
    ],
  ])("reports of the layout %s", (_, over, expected) => expect(drift(over)).toEqual(expected));

  it("reports something whenever there is something to do, and nothing when there is not", () => {
    const strange: Fact[] = [
      { kind: "absent" },
      plain,
      { kind: "link", target: "elsewhere" },
      { kind: "other", what: "a socket" },
      { kind: "directory", mode: "0777", owner: "", group: "" },
    ];
    for (const path of release.request(inputs, undefined).paths) {
      for (const fact of strange) {
        const there = facts(inputs, { [path]: fact });
        const seen = release.observe(state(inputs), there);
        const told = seen === undefined || changes(inputs, seen.inputs).length > 0;
        let todo = true;
        try {
          todo =
            release.reconcile(inputs, seen && { ...state(inputs), inputs: seen.inputs }, there).plan.steps
              .length > 0;
        } catch (error) {
          // In the way of a house that is gone or was never ours: to be told, and not to be done by itself.
          if (!(error instanceof Conflict)) throw error;
        }
        expect(`${path} ${fact.kind}: ${String(told)}`).toBe(`${path} ${fact.kind}: ${String(todo)}`);
      }
    }
  });

  it("tells another content of a file of the project by digests", () => {
    const wanted = declare({
      files: { "config.yaml": { source: "components/x.sh", sha256: sha256("x") } },
    });
    const at = `${HOUSE}/releases/${String(wanted["release"])}/config.yaml`;
    const seen = release.observe(state(wanted), facts(wanted, { [at]: { ...plain, mode: "0640" } }))!;
    expect(changes(wanted, seen.inputs)).toEqual([
      { path: ["files", "config.yaml", "sha256"], kind: "update" },
    ]);
    expect(seen.replaced).toEqual([["files", "config.yaml", "sha256"]]);
    const steps = release.reconcile(wanted, state(seen.inputs), facts(wanted, { [at]: plain })).plan.steps;
    expect(steps).toContainEqual(
      expect.objectContaining({ do: "file", path: at, source: "components/x.sh", sha256: sha256("x") }),
    );
  });

  it("says which secrets were replaced by words, so that these are shown", () => {
    const seen = release.observe(state(inputs), facts(inputs, { [`${place}/config.yaml`]: plain }))!;
    expect(seen.replaced).toEqual([["files", "config.yaml", "content"]]);
  });

  it("takes a house for gone only if its folder is proven absent", () => {
    expect(release.observe(state(inputs), bare(inputs))).toBeUndefined();
    const blind = bare(inputs, { [HOUSE]: { kind: "unreadable", reason: "no permission to enter /srv" } });
    expect(() => release.observe(state(inputs), blind)).toThrow("no permission to enter /srv");
  });
});

describe("on a live host", () => {
  const extra: Values = {
    check: { argv: ["/bin/true"], user: "wizard-ezra" },
    health: { http: "http://h/" },
  };
  const inputs = declare(extra);
  const UNIT = "hermes-ezra.service";
  const MARK = `/run/wizard-houses/restart/${UNIT}`;
  const well: UnitState = {
    load: "loaded",
    active: "active",
    sub: "running",
    result: "success",
    stale: false,
    dropIns: [],
  };
  const dead: UnitState = { ...well, active: "inactive", sub: "dead" };
  const live = (there: Facts, unit: UnitState): Facts => ({ ...there, units: new Map([[UNIT, unit]]) });
  const none: Fact = { kind: "absent" };
  const present: Fact = { kind: "other", what: "a plain file" };
  const seenRunning = (there: Facts) =>
    ((release.observe(state(inputs), there)!.inputs["units"] as Values)[UNIT] as Values)["running"];
  const unitSteps = (there: Facts, old?: Values, wanted = inputs) =>
    release
      .reconcile(wanted, old && state(old), there)
      .plan.steps.filter(({ do: what }) => /unit|mark|start|commit|check/.test(what))
      .map((step) => ("unit" in step ? `${step.do} ${step.unit}` : step.do));
  const restarts = [`mark-restart ${UNIT}`, `restart-unit ${UNIT}`];
  const startOver = `start-over ${UNIT}`;
  const configChanged = declare({
    ...extra,
    files: { "config.yaml": { content: "a: 2\n" }, "skins/ezra.yaml": { content: "name: ezra\n" } },
  });
  const skinChanged = declare({
    ...extra,
    files: { "config.yaml": { content: "a: 1\n" }, "skins/ezra.yaml": { content: "name: Ezra\n" } },
  });
  /** The host as the release before left it: what `current` shows differs from what is wanted by that one file. */
  const onTheFormer = (wanted: Values, changed: Record<string, Fact>): Facts => {
    const place = `${HOUSE}/releases/${releaseInputs(wanted).release}`;
    const staged = release.request(wanted, undefined).paths.filter((path) => path.startsWith(place));
    const missing = Object.fromEntries(staged.map((path) => [path, none]));
    const before = { kind: "link", target: `releases/${releaseInputs(inputs).release}` } as const;
    return live(facts(wanted, { ...missing, [`${HOUSE}/current`]: before, ...changed }), well);
  };
  const otherFile: Fact = {
    kind: "file",
    mode: "0640",
    owner: "",
    group: "",
    size: 1,
    sha256: sha256("a: 1\n"),
  };

  it("has nothing to do where the unit runs on what is wanted", () => {
    expect(unitSteps(live(facts(inputs), well), inputs)).toEqual([]);
    expect(seenRunning(live(facts(inputs), well))).toBe(true);
  });

  it.each<[string, UnitState, Record<string, Fact>, unknown]>([
    ["stopped", dead, {}, false],
    ["failed", { ...dead, active: "failed", result: "exit-code" }, {}, "(on the host: failed, exit-code)"],
    [
      "ending again and again",
      { ...well, active: "activating", sub: "auto-restart", result: "exit-code" },
      {},
      "(on the host: failed, exit-code)",
    ],
    ["marked", well, { [MARK]: present }, "(on the host: not well since its last change)"],
  ])("reports a unit that is %s, and starts it anew", (_, unit, over, seen) => {
    const there = live(facts(inputs, over), unit);
    expect(seenRunning(there)).toBe(seen);
    expect(unitSteps(there, inputs)).toEqual(["commit", ...restarts]);
  });

  it("makes systemd read a unit again that changed behind its back, without a restart", () => {
    const there = live(facts(inputs), { ...well, stale: true });
    expect(seenRunning(there)).toBe("(on the host: its file has changed since systemd read it)");
    expect(unitSteps(there, inputs)).toEqual(["commit", "reload-units"]);
  });

  it("reports and moves aside a drop-in that changes the unit", () => {
    const dropIn = `/etc/systemd/system/${UNIT}.d/override.conf`;
    const there = live(facts(inputs), { ...well, dropIns: [dropIn] });
    const units = release.observe(state(inputs), there)!.inputs["units"] as Values;
    expect(units[UNIT]).toMatchObject({ content: `(on the host: changed by ${dropIn})` });
    expect(unitSteps(there, inputs)).toEqual(["commit", restarts[0], "reload-units", restarts[1]]);
    expect(plan(inputs, there, inputs)).toContain(`displace ${dropIn}`);
  });

  it("restarts after a change of what the unit reads at its start, marks first, and not after any other", () => {
    const there = onTheFormer(configChanged, { [`${HOUSE}/current/config.yaml`]: otherFile });
    expect(unitSteps(there, inputs, configChanged)).toEqual([
      "check",
      "commit",
      restarts[0],
      "reload-units",
      startOver,
    ]);
    expect(unitSteps(onTheFormer(skinChanged, {}), inputs, skinChanged)).toEqual([
      "check",
      "commit",
      "reload-units",
    ]);
  });

  it("goes by what is on the host, not by the state: nothing is known of the former release here", () => {
    const there = onTheFormer(configChanged, { [`${HOUSE}/current/config.yaml`]: otherFile });
    expect(unitSteps(there, undefined, configChanged)).toContain(startOver);
    expect(unitSteps(onTheFormer(configChanged, {}), undefined, configChanged)).not.toContain(startOver);
  });

  it("restarts where something else stands in the place of `current`", () => {
    const blind: Fact = { kind: "unreadable", reason: "current is not a folder" };
    const behind = ["config.yaml", `units/${UNIT}`].map((name) => [`${HOUSE}/current/${name}`, blind]);
    const there = live(facts(inputs, { ...Object.fromEntries(behind), [`${HOUSE}/current`]: present }), well);
    expect(unitSteps(there, inputs)).toContain(startOver);
  });

  it("restarts after a repair of a file in place", () => {
    const place = `${HOUSE}/releases/${releaseInputs(inputs).release}/config.yaml`;
    const edited: Fact = { ...otherFile, sha256: sha256("a: evil\n") } as Fact;
    const there = live(facts(inputs, { [place]: edited, [`${HOUSE}/current/config.yaml`]: edited }), well);
    expect(unitSteps(there, inputs)).toEqual(["commit", restarts[0], "reload-units", restarts[1]]);
  });

  it("leaves a unit alone that is not to run, and stops one that does", () => {
    const idle = declare({ ...extra, units: { [UNIT]: { content: "[Service]\n", running: false } } });
    expect(unitSteps(live(facts(idle), dead), idle, idle)).toEqual([]);
    expect(unitSteps(live(facts(idle), well), idle, idle)).toEqual(["commit", `stop-unit ${UNIT}`]);
  });

  it("stops a unit before it takes its file away", () => {
    const without = declare({ units: {} });
    const there = live(
      facts(without, {
        "/etc/systemd/system/multi-user.target.wants/wizard-revert-boot-srv-wizards-ezra.service": none,
        "/etc/systemd/system/wizard-revert-boot-srv-wizards-ezra.service": none,
        "/etc/systemd/system/multi-user.target.wants/hermes-ezra.service": {
          kind: "link",
          target: `../${UNIT}`,
        },
      }),
      well,
    );
    expect(unitSteps(there, inputs, without)).toEqual(["commit", `stop-unit ${UNIT}`, "reload-units"]);
    const removal = release.remove(state(inputs), live(facts(inputs), well)).steps.map((step) => step.do);
    expect(removal.indexOf("stop-unit")).toBeLessThan(removal.indexOf("remove"));
    expect(removal).toContain("reload-units");
  });

  it("does what lies in the agent's home as the agent's account", () => {
    const there = live(facts(inputs, { [`${HOUSE}/home/SOUL.md`]: present }), well);
    const steps = release
      .reconcile(inputs, state(inputs), there)
      .plan.steps.filter((step) => "path" in step && step.path.startsWith(`${HOUSE}/home/`));
    expect(steps).toEqual([
      expect.objectContaining({ do: "displace", keep: `${HOUSE}/home/displaced`, as: "wizard-ezra" }),
      expect.objectContaining({ do: "link", as: "wizard-ezra" }),
    ]);
  });

  describe("a switch", () => {
    const former = releaseInputs(inputs).release;
    const wanted = releaseInputs(configChanged).release;
    const there = (over: Partial<Facts> = {}): Facts => ({
      ...onTheFormer(configChanged, {
        [`${HOUSE}/current/config.yaml`]: otherFile,
        [`${HOUSE}/known-good`]: { kind: "link", target: `releases/${former}` },
      }),
      folders: new Map([[`${HOUSE}/releases`, [{ name: former, modified: 1 }]]]),
      ...over,
    });
    const reconcile = (host: Facts, old: Values | undefined = inputs) =>
      release.reconcile(configChanged, old && state(old), host).plan;
    const scriptOf = (steps: Step[]): string => {
      const file = steps.find((step) => step.do === "file" && step.path.endsWith("/revert.sh"));
      return (file as { content: string }).content;
    };
    /** The lines that do something, behind all functions. */
    const deeds = (steps: Step[]): string[] => {
      const lines = scriptOf(steps).replaceAll("'", "").split("\n");
      return lines.slice(lines.findIndex((line) => line.startsWith("begin "))).filter((line) => line !== "");
    };

    it("is armed before anything changes, and confirmed by a script of its own", () => {
      const { steps, confirm } = reconcile(there());
      const all = said(steps);
      const order = [
        `file ${HOUSE}/pending.new/revert.sh`,
        `file ${HOUSE}/pending.new/release-${wanted}`,
        "commit",
        `rename ${HOUSE}/pending.new ${HOUSE}/pending`,
        "arm",
        "mark-restart",
        `link ${HOUSE}/current releases/${wanted}`,
        "start-over",
        "watch-for",
      ].map((step) => all.indexOf(step));
      expect(order).toEqual([...order].sort((a, b) => a - b));
      expect(order).not.toContain(-1);
      expect(said(confirm!)).toEqual([
        "unconfirmed",
        "healthy",
        "confirmed",
        `link ${HOUSE}/known-good releases/${wanted}`,
      ]);
      expect(all).not.toContain(`link ${HOUSE}/known-good releases/${wanted}`);
    });

    const stopping = (seconds: number, deadline: number): Values => {
      const content = `[Service]\nTimeoutStopSec=${seconds}\n`;
      const unit = { ...(inputs["units"] as Values), [UNIT]: { content, restartOn: ["config.yaml"] } };
      return declare({
        units: unit,
        files: { "config.yaml": { content: "a: 2\n" } },
        health: { unit: UNIT, deadline },
      });
    };
    it.each<[string, Values, Values | undefined, number]>([
      ["that is the first", stopping(50, 60), undefined, 300 + 2 * (50 + 60)],
      ["while a long job is at work", stopping(330, 60), stopping(330, 60), 300 + 2 * (330 + 60)],
      ["that may take long to be well", stopping(50, 600), stopping(50, 60), 300 + 2 * (50 + 600)],
      ["whose way back waits longer", stopping(50, 60), stopping(330, 600), 300 + 2 * (330 + 600)],
    ])("%s has time for all it waits for, there and back", (_what, next, old, deadline) => {
      const host = { ...bare(next), units: new Map([[UNIT, dead]]) };
      const { plan: whole } = release.reconcile(next, old && state(old), host);
      expect(said(whole.steps)).toContain("start-over");
      expect(whole.deadline).toBe(deadline);
    });

    it("is not given up by the timer that would revert it while that time lasts", () => {
      expect(shellText("revert")).toContain(`take_lock "$1/.lock" ${LONGEST} 73`);
    });

    it("that is taken down has it too", () => {
      const there = live(facts(inputs), well);
      const next = stopping(330, 60);
      expect(release.remove(state(next), there).deadline).toBe(300 + 2 * 330);
    });

    it("can be undone by what lies on the host before it begins", () => {
      const lines = deeds(reconcile(there()).steps);
      expect(lines[0]).toBe(`begin ${HOUSE} ${wanted} "\${1:-}"`);
      expect(lines[1]).toBe(`reject ${HOUSE} ${wanted} "$1"`);
      expect(lines).toContain(`link ${HOUSE}/current releases/${former}`);
      expect(lines.join("\n")).toContain(`start_again ${UNIT} && healthy ${UNIT}`);
      expect(lines.at(-1)).toMatch(new RegExp(`^told ${HOUSE} 81 `));
    });

    it("that is the first leaves nothing running when it is undone", () => {
      const nothing = bare(configChanged);
      const { steps } = reconcile({ ...nothing, units: new Map([[UNIT, dead]]) }, undefined);
      const lines = deeds(steps);
      expect(lines).toContain(`stop_unit ${UNIT}`);
      expect(lines).toContain(`remove ${HOUSE}/current`);
      expect(lines).toContain(`remove /etc/systemd/system/multi-user.target.wants/${UNIT}`);
      expect(lines).toContain(`remove /etc/cron.d/wizard-ezra`);
      expect(lines.at(-1)).toMatch(new RegExp(`^told ${HOUSE} 82 `));
    });

    it("has the unit that reverts at boot in its place before it puts anything into force", () => {
      const boot = Object.keys(releaseInputs(configChanged).units).find((unit) => unit.includes("-boot-"))!;
      const nothing = bare(configChanged);
      const all = said(reconcile({ ...nothing, units: new Map([[UNIT, dead]]) }, undefined).steps);
      const places = [`/etc/systemd/system/${boot}`, `/etc/systemd/system/multi-user.target.wants/${boot}`];
      const at = places.map((place) => all.findIndex((step) => step.startsWith(`link ${place} `)));
      expect(at).not.toContain(-1);
      expect(Math.max(...at)).toBeLessThan(all.indexOf(`link ${HOUSE}/current releases/${wanted}`));
    });

    it("that was the first, and was cut before it put anything into force, is begun anew", () => {
      const nothing = { ...bare(configChanged), units: new Map([[UNIT, dead]]) };
      nothing.folders.set(`${HOUSE}/pending`, [{ name: `release-${wanted}`, modified: 1 }]);
      const { steps, confirm } = reconcile(nothing, undefined);
      expect(said(steps)[0]).toBe("forget-pending");
      expect(said(steps)).toContain(`link ${HOUSE}/current releases/${wanted}`);
      expect(said(confirm!)).toContain("confirmed");
    });

    it("goes back to the last good release where the running one is no choice", () => {
      const good = "aaaaaaaaaaaaaaaa";
      const host = there({
        texts: new Map([[`${HOUSE}/rejected`, `${former}\t2026-01-01T00:00:00Z\tdeadman: silent`]]),
        folders: new Map([
          [
            `${HOUSE}/releases`,
            [
              { name: former, modified: 1 },
              { name: good, modified: 1 },
            ],
          ],
        ]),
      });
      host.paths.set(`${HOUSE}/known-good`, { kind: "link", target: `releases/${good}` });
      expect(deeds(reconcile(host).steps)).toContain(`link ${HOUSE}/current releases/${good}`);
    });

    it.each<[string, string, string]>([
      [
        "rejected",
        `${wanted}\t2026-01-01T00:00:00Z\tit was not well`,
        "is refused since it failed there (2026-01-01T00:00:00Z it was not well; see ",
      ],
      ["revoked", `${wanted}\t2026-01-01T00:00:00Z\tleaked`, "has been revoked"],
    ])("to a release that is %s is refused", (file, text, words) => {
      const host = there({ texts: new Map([[`${HOUSE}/${file}`, text]]) });
      expect(() => reconcile(host)).toThrow(LeftAlone);
      expect(() => reconcile(host)).toThrow(words);
      // What runs is repaired all the same.
      const inForce = live(facts(configChanged), dead);
      inForce.texts.set(`${HOUSE}/${file}`, text);
      expect(
        release.reconcile(configChanged, state(configChanged), inForce).plan.steps.length,
      ).toBeGreaterThan(0);
    });

    it("waits for another that nobody has confirmed, and goes on with its own", () => {
      const pending = (id: string): Facts => {
        const host = live(facts(configChanged), well);
        host.folders.set(`${HOUSE}/pending`, [{ name: `release-${id}`, modified: 1 }]);
        return host;
      };
      expect(() => reconcile(pending("bbbbbbbbbbbbbbbb"))).toThrow(LeftAlone);
      const own = pending(wanted);
      expect(reconcile(own, configChanged).steps).toEqual([]);
      expect(said(reconcile(own, configChanged).confirm!).slice(0, 3)).toEqual([
        "unconfirmed",
        "healthy",
        "confirmed",
      ]);
      expect(release.observe(state(configChanged), own)!.inputs["confirmed"]).toBe(
        `(on the host: release ${wanted} waits for its confirmation)`,
      );
    });

    describe("jobs that the agent's file shares with us", () => {
      const jobs = { user: "wizard-ezra", apply: ["/bin/apply"], compare: ["/bin/compare"] };
      const sharing = declare({ ...extra, jobs });
      const answering = (answer: string | undefined): Facts => {
        const host = live(facts(sharing), well);
        host.answers.set("wizard-ezra /bin/compare", answer);
        return host;
      };
      const merged = (host: Facts) =>
        (release.observe(state(sharing), host)!.inputs["jobs"] as Values)["merged"];
      const merges = (host: Facts): boolean =>
        release.reconcile(sharing, state(sharing), host).plan.steps.some((step) => step.do === "merge");

      it.each<[string, string | undefined, unknown]>([
        ["as declared", '{"jobs": [], "more": 0}', true],
        [
          "different",
          '{"jobs": [{"name": "digest", "problem": "differs", "fields": ["prompt"]}, {"name": "i", "problem": "missing", "fields": []}], "more": 3}',
          "(on the host: digest differs in prompt; i missing; 3 more)",
        ],
        ["not to be compared", undefined, "(on the host: cannot be compared)"],
        ["an answer of somebody else's", '{"jobs": 1}', "(on the host: cannot be compared)"],
        [
          "hostile words",
          '{"jobs": [{"name": "a\\u001b[2J", "problem": "x"}]}',
          "(on the host: a\\u001b[2J x)",
        ],
      ])("are told, and brought in where they are %s", (_, answer, seen) => {
        expect(merged(answering(answer))).toBe(seen);
        expect(merges(answering(answer))).toBe(seen !== true);
      });

      it("are asked about", () => {
        expect(release.request(sharing, undefined).questions).toEqual([
          { user: "wizard-ezra", argv: ["/bin/compare"] },
        ]);
      });

      it("are brought in after every switch, and after a revert", () => {
        const next = declare({
          ...extra,
          jobs,
          files: { "config.yaml": { content: "a: 3\n" }, "skins/ezra.yaml": { content: "name: ezra\n" } },
        });
        const host = onTheFormer(next, {});
        host.folders.set(`${HOUSE}/releases`, [{ name: former, modified: 1 }]);
        const { steps, confirm } = release.reconcile(next, state(sharing), host).plan;
        expect(confirm!.at(-1)).toEqual({ do: "merge", as: "wizard-ezra", argv: ["/bin/apply"] });
        expect(scriptOf(steps)).toContain("  (merge 'wizard-ezra' '/bin/apply') || :");
      });

      it.each<[string, string | undefined, string[]]>([
        ["nothing", '{"findings": [], "unreadable": [], "more": 0}', []],
        [
          "names",
          '{"findings": [{"where": "config.yaml", "path": "model.provider", "name": "other", "family": "banned-one"}], "unreadable": [{"where": "auth.json", "why": "it is no regular file"}], "more": 0}',
          [
            "config.yaml model.provider: other (banned-one is banned)",
            "auth.json: cannot be judged, it is no regular file",
          ],
        ],
        [
          "hostile words",
          '{"findings": [{"where": "\\u001b[2J"}], "unreadable": []}',
          ["\\u001b[2J :  ( is banned)"],
        ],
        [
          "an answer of somebody else's",
          "[]",
          ["it cannot be judged: its Python does not answer as it should"],
        ],
        ["no answer", undefined, ["it cannot be judged: its Python does not answer as it should"]],
      ])("go with findings in what the agent keeps, which are no drift: %s", (_, answer, expected) => {
        const asking = declare({ ...extra, jobs: { ...jobs, findings: ["/bin/find"] } });
        const host = live(facts(asking), well);
        host.answers.set("wizard-ezra /bin/compare", '{"jobs": [], "more": 0}');
        host.answers.set("wizard-ezra /bin/find", answer);
        const seen = release.observe(state(asking), host)!;
        expect(seen.findings).toEqual(expected);
        expect(changes(asking, seen.inputs)).toEqual([]);
      });

      it.each([
        ["its home stays", {}, true],
        ["its home goes as well", { onDestroy: "remove-all" }, false],
      ])("are taken out when the house is taken down, if %s", (_, more, taken) => {
        const leaving = declare({ ...extra, ...more, jobs: { ...jobs, withdraw: ["/bin/withdraw"] } });
        const steps = release.remove(state(leaving), live(facts(leaving), well)).steps;
        const at = steps.findIndex((step) => step.do === "withdraw");
        expect(at !== -1).toBe(taken);
        if (!taken) return;
        expect(steps[at]).toEqual({ do: "withdraw", as: "wizard-ezra", argv: ["/bin/withdraw"] });
        // The gateway is stopped by then, and the release's script is still there.
        const place = (wanted: (step: Step) => boolean): number => steps.findIndex(wanted);
        expect(place((step) => step.do === "stop-unit")).toBeLessThan(at);
        expect(place((step) => step.do === "remove" && step.path === `${HOUSE}/current`)).toBeGreaterThan(at);
      });

      it("are not asked after where nothing is in force any more", () => {
        const leaving = declare({ ...extra, jobs: { ...jobs, withdraw: ["/bin/withdraw"] } });
        const host = live(facts(leaving, { [`${HOUSE}/current`]: { kind: "absent" } }), well);
        expect(release.remove(state(leaving), host).steps.map((step) => step.do)).not.toContain("withdraw");
      });

      it("are none of ours in a folder that stands for a host", () => {
        const there = facts(sharing);
        expect(merged(there)).toBe(true);
        expect(plan(sharing, bare(sharing)).join()).not.toContain("merge");
      });
    });

    it.each<[string, Values, string[]]>([
      ["nothing is known of it", {}, []],
      ["it is well", { held: "", refused: [], release: "0123456789abcdef" }, []],
      [
        "the house is held",
        { held: "2026-01-01T00:00:00Z silent" },
        ["is left alone since 2026-01-01T00:00:00Z silent"],
      ],
      [
        "it failed here",
        { held: "", refused: ["self"], release: "0123456789abcdef" },
        ["is refused, since it failed"],
      ],
      ["it failed here and runs all the same", { held: "", refused: ["self"], release: "self" }, []],
    ])("a preview of an update tells what the last look has seen: %s", (_, outputs, expected) => {
      const inputs = declare({ ...extra, hold: "/var/lib/wizard-houses/ezra/deadman_active" });
      const self = (value: unknown) => (value === "self" ? inputs["release"] : value);
      const seen = Object.entries(outputs).map(([key, value]) => [
        key,
        Array.isArray(value) ? value.map(self) : self(value),
      ]);
      const said = release.foreseen!(inputs, Object.fromEntries(seen) as Values);
      expect(said).toHaveLength(expected.length);
      expected.forEach((words, index) => expect(said[index]).toContain(words));
    });

    it("is refused while the house is held", () => {
      const hold = "/var/lib/wizard-houses/ezra/deadman_active";
      const held = declare({ ...extra, hold });
      const host = live(facts(held), dead);
      host.texts.set(hold, "2026-01-01T00:00:00Z\tno sign of life");
      expect(() => release.reconcile(held, state(held), host)).toThrow(LeftAlone);
      const seen = release.observe(state(held), host)!;
      expect(seen.inputs["hold"]).toBe("(on the host: since 2026-01-01T00:00:00Z no sign of life)");
      expect(seen.outputs["held"]).toBe("2026-01-01T00:00:00Z no sign of life");
    });
  });

  it.each<[string, Values, string]>([
    ["health", { health: { heartbeat: "home/beat" } }, "who may read them"],
    ["restartOn", { units: { [UNIT]: { content: "", restartOn: ["none"] } } }, "names none"],
    [
      "health",
      { health: { http: "http://h/", stableFor: 9, deadline: 9 } },
      "deadline of 9 s; allowed: less",
    ],
    ["health", { health: { http: "http://h/", stableFor: 60 } }, "deadline of 60 s; allowed: less"],
    ["health", { units: {}, health: { http: "http://h/" } }, "the release has none"],
    ["health", { health: { unit: "other.service" } }, `one of ${UNIT}`],
    ["traces", { traces: ["/var/lib"] }, "three parts or more"],
  ])("refuses a mistake in %s", (_, over, words) => {
    const {
      layout: _layout,
      release: _release,
      confirmed: _confirmed,
      units,
      cron: _cron,
      ...given
    } = inputs;
    const unit = { content: "[Service]\n", restartOn: ["config.yaml"] };
    expect(units).toMatchObject({ [UNIT]: unit });
    expect(check(release, { ...given, units: { [UNIT]: unit } }).failures).toEqual([]);
    const { failures } = check(release, { ...given, units: { [UNIT]: unit }, ...over });
    expect(failures.map(({ reason }) => reason).join()).toContain(words);
  });
});

describe("the harness of a release", () => {
  const ID = "0.19.0-0123456789ab";
  const AT = `/opt/hermes/${ID}`;
  const UNIT = "hermes-ezra.service";
  const units = { [UNIT]: { content: "[Service]\n", restartOn: ["config.yaml", "harness"] } };
  const inputs = declare({ harness: AT, units });
  const link = (id: unknown): string => `${HOUSE}/releases/${String(id)}/harness`;
  const to = (target: string): Fact => ({ kind: "link", target });
  const RUNNING: UnitState = {
    ...{ load: "loaded", active: "active", sub: "running", result: "success", stale: false, dropIns: [] },
  };
  /** A live host on which all is as declared but for what is said. */
  const there = (over: Record<string, Fact> = {}, harness?: "whole" | "half"): Facts => ({
    ...facts(inputs, {
      [link(inputs["release"])]: to(AT),
      [`${HOUSE}/current/harness`]: to(AT),
      [`/run/wizard-houses/restart/${UNIT}`]: { kind: "absent" },
      ...over,
    }),
    units: new Map([[UNIT, RUNNING]]),
    ...(harness && {
      harnesses: {
        ...{ readable: true, machine: "x86_64", claims: [], wheels: new Set<string>() },
        states: new Map([[ID, { kind: harness }]]),
      },
    }),
  });
  const drift = (found: Facts): string[] =>
    changes(release.observe(state(inputs), found)!.inputs, inputs).map(({ path }) => formatPath(path));

  it("is part of the id, a name of the layout's own, and something that a unit may be restarted on", () => {
    expect(inputs["release"]).not.toBe(declare({ harness: "/opt/hermes/venv", units })["release"]);
    const base = { host: { name: "t", transport: "local", root: "x" }, house: HOUSE, group: "g", salt: "s" };
    const refused = (more: Values): string =>
      check(release, { ...base, files: {}, ...more })
        .failures.map(({ reason }) => reason)
        .join();
    expect(refused({ files: { harness: { content: "" } } })).toContain("the layout uses these");
    expect(refused({ units })).toContain("names harness, which is not a file of this release");
  });

  it("is linked before the release is in its place", () => {
    const steps = plan(inputs, bare(inputs));
    const staged = `${HOUSE}/releases/.${String(inputs["release"])}.staged`;
    expect(steps.indexOf(`link ${staged}/harness ${AT}`)).toBeGreaterThan(0);
    expect(steps.indexOf(`link ${staged}/harness ${AT}`)).toBeLessThan(
      steps.findIndex((step) => step.startsWith(`rename ${staged}`)),
    );
  });

  it("agrees", () => {
    expect(drift(there())).toEqual([]);
    expect(plan(inputs, there(), inputs)).toEqual([]);
  });

  it.each<[string, Fact, string[]]>([
    ["another one", to("/opt/hermes/venv"), []],
    ["nothing", { kind: "absent" }, []],
    ["a folder", { kind: "directory", mode: "0755", owner: "", group: "" }, ["displace"]],
  ])("is drift where the link leads to %s, and put right", (_, fact, before) => {
    const found = there({ [link(inputs["release"])]: fact });
    expect(drift(found)).toEqual(["harness"]);
    const steps = plan(inputs, found, inputs);
    expect(steps.map((step) => step.split(" ")[0])).toEqual([...before, "link"]);
    expect(steps.at(-1)).toBe(`link ${link(inputs["release"])} ${AT}`);
  });

  it("restarts the unit where it alone is another one", () => {
    const found = there({ [`${HOUSE}/current/harness`]: to("/opt/hermes/venv") });
    expect(plan(inputs, found, inputs)).toContain("restart-unit");
  });

  it("that is not what was installed is drift of the unit, which may have read it", () => {
    expect(release.request(inputs, undefined).harnesses).toEqual([ID]);
    expect(release.request(declare({ harness: "/opt/hermes/venv" }), undefined).harnesses).toEqual([]);
    expect(drift(there({}, "whole"))).toEqual([]);
    expect(drift(there({}, "half"))).toEqual([`units["${UNIT}"].running`]);
  });
});
