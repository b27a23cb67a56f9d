/** Droplets as data: what fleet.yaml may say of them, and what follows. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeEach, describe, expect, test } from "vitest";

import { dropletCosts, isDroplet } from "../../fleet/droplet.ts";
import { FleetError, loadFleet } from "../../fleet/index.ts";
import { isNetwork } from "../../fleet/networks.ts";

const scratch = mkdtempSync(join(tmpdir(), "fleet-droplet-"));
let wizards: string;
beforeEach(() => {
  wizards = join(mkdtempSync(join(scratch, "t-")), "wizards");
  cpSync(join(import.meta.dirname, "../../wizards"), wizards, { recursive: true });
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJemppBMLCQCI8P8w8iGoea2ky34wtwCL3TSYx0cc4a";
const ACCOUNT = `digitalocean:
  sshKeys: {ada: ${KEY}}
  sshFrom: [198.51.100.0/24, "2001:db8::/48"]
`;

/** fleet.yaml with the host forge as a droplet; `edits` change its text afterwards. */
function rent(
  droplet: string,
  { account = ACCOUNT, house }: { account?: string; house?: string } = {},
): void {
  const file = join(wizards, "fleet.yaml");
  const text = readFileSync(file, "utf8");
  const changed = text.replace("address: 203.0.113.20\n    user: root", droplet);
  if (changed === text) throw new Error("fleet.yaml has no forge");
  writeFileSync(file, `${changed}\n${account}`);
  if (house !== undefined) writeFileSync(file, `${changed}\n${account}${house}`);
}

function problems(): string[] {
  try {
    loadFleet(wizards);
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    const file = readFileSync(join(wizards, "fleet.yaml"), "utf8").split("\n");
    return error.problems.map(({ path, message, line }) => {
      const at = line === undefined ? "" : file[line - 1]!.trim();
      return `${path} ${message} | ${at}`;
    });
  }
  return [];
}

const PLAIN = "droplet: {region: fra1, size: s-1vcpu-2gb}";

describe("a host that is a droplet", () => {
  test("has what is usual unless it says otherwise, and stands beside hosts that are there already", () => {
    rent(PLAIN);
    const { hosts, digitalocean } = loadFleet(wizards);
    expect(hosts["forge"]).toEqual({
      name: "forge",
      packages: {},
      droplet: {
        ...{ region: "fra1", size: "s-1vcpu-2gb", image: "debian-12-x64", backups: true, monitoring: true },
        ...{ tags: [], reservedIp: false, inbound: [], generation: 1, protect: true },
      },
    });
    expect(hosts["tower"]).toMatchObject({ address: "203.0.113.10", port: 22, user: "root" });
    expect(digitalocean).toEqual({ sshKeys: { ada: KEY }, sshFrom: ["198.51.100.0/24", "2001:db8::/48"] });
  });

  test("costs what its size costs, and a fifth more with backups", () => {
    rent(PLAIN);
    const { hosts, policies } = loadFleet(wizards);
    const costs = dropletCosts(Object.values(hosts), policies.droplet);
    expect(costs).toEqual({ byHost: { forge: 14.4 }, total: 14.4 });
    expect(Object.values(hosts).filter(isDroplet)).toHaveLength(1);
  });

  test.each<[string, () => void, string[]]>([
    ["neither address nor droplet", () => rent("user: root"), ["hosts.forge.address is missing | forge:"]],
    [
      "both",
      () => rent(`address: 203.0.113.20\n    user: root\n    ${PLAIN}`),
      [
        "hosts.forge.address does not go with droplet | address: 203.0.113.20",
        "hosts.forge.user does not go with droplet | user: root",
      ],
    ],
    ["nobody who may log in", () => rent(PLAIN, { account: "" }), ["digitalocean is missing | harness:"]],
    [
      "a key with a comment",
      () => rent(PLAIN, { account: ACCOUNT.replace("cc4a}", "cc4a me@home}") }),
      [`digitalocean.sshKeys.ada is not accepted | sshKeys: {ada: ${KEY} me@home}`],
    ],
    [
      "a region that is not allowed",
      () => rent("droplet: {region: moon1, size: s-1vcpu-2gb}"),
      ["hosts.forge.droplet.region is not allowed | droplet: {region: moon1, size: s-1vcpu-2gb}"],
    ],
    [
      "a size that is not allowed",
      () => rent("droplet: {region: fra1, size: m-32vcpu-256gb}"),
      ["hosts.forge.droplet.size is not allowed | droplet: {region: fra1, size: m-32vcpu-256gb}"],
    ],
    [
      "no backups",
      () => rent("droplet: {region: fra1, size: s-1vcpu-2gb, backups: false}"),
      ["hosts.forge.droplet.backups are off | droplet: {region: fra1, size: s-1vcpu-2gb, backups: false}"],
    ],
    [
      "more than may be spent",
      () => rent(PLAIN, { account: `${ACCOUNT}policies: {droplet: {monthly: 14}}\n` }),
      [
        "hosts.forge.droplet.size makes the stack's droplets cost $14.40 a month | " +
          "droplet: {region: fra1, size: s-1vcpu-2gb}",
      ],
    ],
    [
      "a port that is open to the world",
      () =>
        rent(
          "droplet:\n      region: fra1\n      size: s-1vcpu-2gb\n      inbound: [{port: 22, from: [0.0.0.0/0]}]",
        ),
      ["hosts.forge.droplet.inbound[0] is open to the world | inbound: [{port: 22, from: [0.0.0.0/0]}]"],
    ],
    [
      "a health port that others reach",
      () =>
        rent(
          "droplet:\n      region: fra1\n      size: s-1vcpu-2gb\n      inbound: [{port: 8642, from: [203.0.113.9]}]",
        ),
      [
        "hosts.forge.droplet.inbound[0].port is open to others | inbound: [{port: 8642, from: [203.0.113.9]}]",
      ],
    ],
    [
      "what is no network",
      () => rent(PLAIN, { account: ACCOUNT.replace("198.51.100.0/24", "198.51.100.0/33") }),
      ['digitalocean.sshFrom[0] is not accepted | sshFrom: [198.51.100.0/33, "2001:db8::/48"]'],
    ],
  ])("is refused with %s, in its place", (_what, make, expected) => {
    make();
    expect(problems()).toEqual(expected);
  });
});

test.each([
  ["203.0.113.9", true],
  ["203.0.113.0/24", true],
  ["::/0", true],
  ["2001:db8::/129", false],
  ["203.0.113.0/", false],
  ["203.0.113", false],
  ["host.example", false],
  ["", false],
])("%s is a network: %s", (text, is) => expect(isNetwork(text)).toBe(is));
