/** Which houses an update would take from one host to another, as the state and `wizards/` tell. */
import { describe, expect, it } from "vitest";

import type { StateResource } from "../../scripts/deployment.ts";
import { movesIn, undrained } from "../../scripts/moves.ts";

const PREFIX = "urn:pulumi:prod::wizard-houses::";
const HOUSE = `${PREFIX}fleet:index:WizardHouse::ezra`;
const RELEASE = `${PREFIX}fleet:index:WizardHouse$host:index:Release::ezra-release`;
const connection = (name: string, transport = "ssh") => ({ name, transport, address: "203.0.113.10" });

const release = (host: object | undefined, more: Partial<StateResource> = {}): StateResource => ({
  ...{ urn: RELEASE, type: "host:index:Release", custom: true, parent: HOUSE },
  inputs: { house: "/srv/wizards/ezra", ...(host && { host }) },
  ...more,
});
const moves = (releases: StateResource[], houses = [{ name: "ezra", host: "tower" }], hosts = {}) =>
  movesIn(
    {
      version: 3,
      deployment: { resources: [{ urn: HOUSE, type: "fleet:index:WizardHouse" }, ...releases] },
    },
    houses,
    hosts,
  );

describe("houses that an update would move", () => {
  it("are those whose release is on another host than the one they are to have", () => {
    expect(moves([release(connection("forge"))])).toEqual([
      {
        ...{ house: "ezra", path: "/srv/wizards/ezra", from: "forge", to: "tower" },
        connection: connection("forge"),
      },
    ]);
    expect(moves([release(connection("tower"))])).toEqual([]);
  });

  it("are none that have moved and left something that could not be taken down", () => {
    expect(moves([release(connection("tower")), release(connection("forge"), { delete: true })])).toEqual([]);
    expect(moves([release(connection("forge"), { delete: true }), release(connection("tower"))])).toEqual([]);
  });

  it("are none without a release yet, none that go, and none in folders of this machine", () => {
    expect(moves([])).toEqual([]);
    expect(moves([release(undefined)])).toEqual([]);
    expect(moves([release(connection("forge", "local"))])).toEqual([]);
    expect(movesIn({ version: 3, deployment: {} }, [{ name: "ezra", host: "tower" }], {})).toEqual([]);
    expect(moves([release(connection("forge"))], [])).toEqual([]);
  });
});

describe("a house on a droplet of another generation than its host's", () => {
  const MACHINE = `${PREFIX}fleet:index:DigitalOcean$fleet:index:Droplet::tower-machine`;
  const droplet = (name: string, ipv4Address = "203.0.113.10"): StateResource => ({
    urn: `${PREFIX}fleet:index:DigitalOcean$fleet:index:Droplet$digitalocean:index/droplet:Droplet::${name}`,
    ...{ type: "digitalocean:index/droplet:Droplet", custom: true, parent: MACHINE },
    outputs: { ipv4Address },
  });
  const machines = (droplets: StateResource[], generation: number, host = "tower") =>
    moves(
      [{ urn: MACHINE, type: "fleet:index:Droplet" }, ...droplets, release(connection(host))],
      undefined,
      { tower: { droplet: { generation } } },
    );

  it("would lose its home with it, and counts as one that moves", () => {
    const move = { house: "ezra", path: "/srv/wizards/ezra", connection: connection("tower") };
    expect(machines([droplet("tower-droplet")], 2)).toEqual([{ ...move, from: "tower", to: "tower" }]);
    expect(machines([droplet("tower-2-droplet")], 3)).toHaveLength(1);
    expect(machines([droplet("tower-2-droplet")], 1)).toHaveLength(1);
    expect(
      moves(
        [
          { urn: MACHINE, type: "fleet:index:Droplet" },
          droplet("tower-droplet"),
          release(connection("tower")),
        ],
        undefined,
        { tower: {} },
      ),
    ).toHaveLength(1);
  });

  it("stays where it is on the one its host is to be, though another is not deleted yet", () => {
    expect(machines([droplet("tower-droplet")], 1)).toEqual([]);
    expect(machines([droplet("tower-2-droplet")], 2)).toEqual([]);
    expect(machines([droplet("tower-droplet", "203.0.113.9"), droplet("tower-2-droplet")], 2)).toEqual([]);
    expect(machines([], 2)).toEqual([]);
  });

  it("is told what to do, with what is on the machine before the machine goes", () => {
    const [move] = machines([droplet("tower-droplet")], 2);
    expect(undrained(move!, "prod")).toBe(
      `ezra: its host tower becomes another machine, and it is not drained: what is under way would be cut off, and what its agent wrote since its last backup would be deleted with the machine that is tower now. Nothing was changed. In this order:
  1. npm run drain -- ezra -s prod
  2. npm run backup -- ezra --to FOLDER -s prod
  3. npm run up -- -s prod
  4. npm run restore -- ezra FOLDER/ezra/… --identity KEYFILE -s prod
Or go on without all that: npm run up -- -s prod --undrained`,
    );
    expect(
      undrained({ ...move!, from: "forge" }, "dev")
        .split("\n")
        .slice(1),
    ).toEqual([
      "  1. in wizards/ezra/house.yaml, host: forge again",
      "  2. npm run drain -- ezra",
      "  3. npm run backup -- ezra --to FOLDER",
      "  4. host: tower again, then npm run up",
      "  5. npm run restore -- ezra FOLDER/ezra/… --identity KEYFILE",
      "Or move it without all that: npm run up -- --undrained",
    ]);
  });
});
