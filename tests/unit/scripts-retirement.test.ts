/** A state without some of its houses, and without relations that hold back the rest. */
import { describe, expect, it } from "vitest";

import {
  belongings,
  detached,
  housesIn,
  leftBehind,
  without,
  withoutReplaced,
  type Deployment,
  type StateResource,
} from "../../scripts/deployment.ts";
import { nameOf } from "../../scripts/places.ts";
import { refusal, stillThere } from "../../scripts/retirement.ts";

const PREFIX = "urn:pulumi:dev::wizard-houses::";
const PROVIDER = `${PREFIX}pulumi:providers:host::default`;
const houseUrn = (name: string): string => `${PREFIX}fleet:index:WizardHouse::${name}`;
const hostUrn = (name: string): string => `${PREFIX}fleet:index:Host::${name}-host`;

function managed(
  above: string,
  type: string,
  name: string,
  host: string,
  more: Partial<StateResource> = {},
): StateResource {
  const urn = `${PREFIX}${above.split("::")[2]}$host:index:${type}::${name}`;
  const { inputs, ...rest } = more;
  const connection = { name: host };
  return {
    urn,
    type: `host:index:${type}`,
    custom: true,
    parent: above,
    inputs: { host: connection, ...inputs },
    ...rest,
  };
}

/** `<host>-host` with its packages, which wait for the houses before. */
const ground = (host: string, before: string[]): StateResource[] => [
  { urn: hostUrn(host), type: "fleet:index:Host", dependencies: before },
  managed(hostUrn(host), "Packages", `${host}-packages`, host),
];
function house(name: string, host: string, before: string[]): StateResource[] {
  const urn = houseUrn(name);
  const user = managed(urn, "User", `${name}-user`, host, { inputs: { user: `wizard-${name}` } });
  const inputs = {
    house: `/srv/wizards/${name}`,
    units: { [`hermes-${name}.service`]: {} },
    cron: { [`wizard-${name}`]: {} },
  };
  const release = managed(urn, "Release", `${name}-release`, host, {
    inputs,
    dependencies: [user.urn],
    propertyDependencies: { files: [], group: [user.urn] },
  });
  return [{ urn, type: "fleet:index:WizardHouse", dependencies: before }, user, release];
}
const endOf = (name: string): string =>
  `${PREFIX}fleet:index:WizardHouse$host:index:Release::${name}-release`;

/** A rollout: bezalel, then ezra and allegro, which share a host. */
const state: Deployment = {
  version: 3,
  deployment: {
    resources: [
      { urn: `${PREFIX}pulumi:pulumi:Stack::wizard-houses-dev`, type: "pulumi:pulumi:Stack" },
      { urn: PROVIDER, type: "pulumi:providers:host", custom: true },
      ...ground("forge", []),
      ...house("bezalel", "forge", []),
      ...ground("tower", [endOf("bezalel")]),
      ...house("ezra", "tower", [endOf("bezalel")]),
      ...house("allegro", "tower", [endOf("ezra")]),
    ],
    pending_operations: [{ resource: { urn: endOf("ezra") } }, { resource: { urn: endOf("bezalel") } }],
  },
};
const names = (resources: readonly StateResource[] | undefined): string[] =>
  (resources ?? []).map(({ urn }) => nameOf(urn));
const urnsOf = (...houses: string[]): Set<string> => new Set(belongings(state, houses).map(({ urn }) => urn));
const allRelations = (deployment: Deployment | undefined): string[] =>
  (deployment?.deployment.resources ?? []).flatMap(({ dependencies = [], propertyDependencies }) => [
    ...dependencies,
    ...Object.values(propertyDependencies ?? {}).flatMap((urns) => urns ?? []),
  ]);

describe("the houses of a state", () => {
  it("are known with their hosts", () => {
    expect(housesIn(state).map(({ name, host }) => [name, host])).toEqual([
      ["bezalel", "forge"],
      ["ezra", "tower"],
      ["allegro", "tower"],
    ]);
  });

  it("have their host's own resources only where no other house is on it", () => {
    expect(names(belongings(state, ["ezra"]))).toEqual(["ezra", "ezra-user", "ezra-release"]);
    expect(names(belongings(state, ["ezra", "allegro"]))).toContain("tower-packages");
    expect(names(belongings(state, ["bezalel"]))).toEqual(
      expect.arrayContaining(["forge-host", "forge-packages"]),
    );
  });
});

describe("without a house", () => {
  const left = without(state, urnsOf("ezra"));

  it("all others are there, byte for byte but for what waited for it", () => {
    const gone = ["ezra", "ezra-user", "ezra-release"];
    const all = names(state.deployment.resources);
    expect(names(left.deployment.resources)).toEqual(all.filter((name) => !gone.includes(name)));
    const find = (deployment: Deployment, urn: string): unknown =>
      deployment.deployment.resources?.find((resource) => resource.urn === urn);
    expect(find(left, endOf("allegro"))).toEqual(find(state, endOf("allegro")));
    expect(find(left, houseUrn("allegro"))).toEqual({
      ...(find(state, houseUrn("allegro")) as object),
      dependencies: [],
    });
  });

  it("nothing refers to it, and no operation on it is pending", () => {
    expect(allRelations(left).filter((urn) => nameOf(urn).startsWith("ezra"))).toEqual([]);
    expect(left.deployment.pending_operations).toEqual([{ resource: { urn: endOf("bezalel") } }]);
  });

  it("what else the engine knows of a resource stays", () => {
    const extra = { ...state.deployment.resources?.[3], deletedWith: endOf("ezra"), protect: true };
    const changed = { ...state, deployment: { resources: [extra as StateResource] } };
    const [first] = without(changed, urnsOf("ezra")).deployment.resources ?? [];
    expect(first).toMatchObject({ urn: extra.urn, protect: true });
    expect(first).not.toHaveProperty("deletedWith");
  });
});

describe("detached", () => {
  it("dead houses wait for nobody else, so that everybody else can go", () => {
    const result = detached(state, urnsOf("ezra"));
    expect(names(result?.deployment.resources)).toEqual(names(state.deployment.resources));
    const waiting = (urn: string): string[] | undefined =>
      result?.deployment.resources?.find((resource) => resource.urn === urn)?.dependencies;
    expect(waiting(houseUrn("ezra"))).toEqual([]);
    expect(waiting(endOf("ezra"))).toHaveLength(1);
    expect(waiting(houseUrn("allegro"))).toEqual([endOf("ezra")]);
  });

  it("is nothing to do where they wait for nobody", () => {
    expect(detached(state, urnsOf("bezalel"))).toBeUndefined();
    const once = detached(state, urnsOf("ezra"));
    expect(once && detached(once, urnsOf("ezra"))).toBeUndefined();
  });
});

describe("a house that was replaced on another host, where the one before is not to be reached", () => {
  const old = state.deployment.resources?.filter(({ urn }) => /bezalel-(user|release)$/.test(urn)) ?? [];
  const moved = (resource: StateResource): StateResource =>
    old.includes(resource)
      ? { ...resource, inputs: { ...resource.inputs, host: { name: "ark" } } }
      : resource;
  const after: Deployment = {
    version: 3,
    deployment: {
      resources: [
        ...(state.deployment.resources ?? []).map(moved),
        ...ground("ark", []),
        ...old.map((resource) => ({ ...resource, delete: true })),
      ],
    },
  };

  it("leaves what it was there behind, with what that host's houses shared, and stays where it is", () => {
    expect(refusal(after, ["bezalel"], { bezalel: "ark" }, "prod")).toBeUndefined();
    const gone = leftBehind(after, ["bezalel"]);
    expect(names(gone).sort()).toEqual(["bezalel-release", "bezalel-user", "forge-host", "forge-packages"]);
    const left = withoutReplaced(after, gone);
    expect(left.deployment.resources?.some((resource) => resource.delete)).toBe(false);
    expect(names(left.deployment.resources)).toEqual(
      names(after.deployment.resources?.filter((one) => !gone.includes(one))),
    );
    expect(names(left.deployment.resources)).toContain("bezalel-release");
  });
});

describe("refusal", () => {
  const wanted = { bezalel: "forge", ezra: "tower" };
  it.each<[string, string[], Record<string, string>, RegExp | undefined]>([
    [
      "not in the state",
      ["noah"],
      wanted,
      /^noah: not in the state of prod, which has bezalel, ezra, allegro;/,
    ],
    ["still wanted", ["ezra"], wanted, /take its line .* npm run retire -- ezra --abandon -s prod/],
    ["one of two still wanted", ["allegro", "ezra"], wanted, /^ezra: still in wizards/],
    ["not wanted any more", ["allegro"], wanted, undefined],
    ["wanted on another host by now", ["ezra"], { ...wanted, ezra: "ark" }, undefined],
    ["all that is left, as after a destroy", ["bezalel", "ezra", "allegro"], wanted, undefined],
  ])("%s", (_name, houses, fleet, expected) => {
    const words = refusal(state, houses, fleet, "prod");
    if (expected === undefined) expect(words).toBeUndefined();
    else expect(words).toMatch(expected);
  });

  it("says that a state is empty", () => {
    expect(refusal({ version: 3, deployment: {} }, ["ezra"], {}, "dev")).toContain("which has no house");
  });
});

describe("what may still run", () => {
  it("names units, cron files, account and folder", () => {
    const ezra = housesIn(state).find(({ name }) => name === "ezra");
    expect(ezra && stillThere(ezra)).toEqual([
      expect.stringMatching(
        /^Nothing was done on host tower, .*: hermes-ezra\.service, \/etc\/cron\.d\/wizard-ezra, the account wizard-ezra, \/srv\/wizards\/ezra with its keys\./,
      ),
    ]);
  });
});
