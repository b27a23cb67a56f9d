/** Packages as an operator meets them: wanted in fleet.yaml, there before the first house is, and gone after the last. */
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { reset, type Machine } from "../../testbed/index.ts";
import { inside, makeHostFleet, type HostFleet } from "./fleet.ts";
import { freshMachines } from "./machines.ts";

let forge: Machine;
let fleet: HostFleet;
const installed = () =>
  inside(forge, "dpkg-query -W -f '${Package} ${Version}\\n' tool plain 2>/dev/null || :");
const run = async (command: string, ...args: string[]) => {
  const { code, stdout, stderr } = await fleet.run(command, args);
  return { code, words: stdout + stderr };
};
const succeeds = async (command: string, ...args: string[]) => {
  const { code, words } = await run(command, ...args);
  expect(code, words).toBe(0);
};
const wanting = (packages: object) => fleet.editFleet((file) => (file["packages"] = packages));

beforeAll(async () => {
  forge = (await freshMachines(1))[0]!;
  await inside(forge, readFileSync(new URL("./repository.sh", import.meta.url), "utf8"));
  fleet = await makeHostFleet({ forge });
  fleet.editFleet((file) => {
    file.houses = ["bezalel"];
    delete file.hosts["tower"];
  });
  for (const house of ["allegro", "ezra"])
    rmSync(path.join(fleet.work.dir, "wizards", house), { recursive: true });
});
afterAll(async () => {
  fleet?.cleanup();
  await reset(forge);
});

describe("packages of fleet.yaml", () => {
  it("that cannot be had keep the host's houses from being made", async () => {
    wanting({ toool: {} });
    const { code, words } = await run("up", "--yes");
    expect(code).toBe(1);
    expect(words).toContain("no package source of this host has toool");
    expect(await inside(forge, "ls /srv/wizards 2>/dev/null || :")).toBe("");
  });

  it("are there before the first house, and unchanged by a second update", async () => {
    wanting({ tool: { version: "1.0-1", held: true }, plain: {} });
    await succeeds("up", "--yes");
    expect(await installed()).toBe("plain 1.0\ntool 1.0-1\n");
    await succeeds("up", "--yes", "--expect-no-changes");
  });

  it("are drift, named by host and package, and put right", async () => {
    await inside(
      forge,
      "apt-mark unhold tool && apt-get -q -y install tool=1:2.0-1 && apt-get -q -y remove plain",
    );
    const { code, words } = await run("drift");
    expect(code).toBe(7);
    expect(words).toMatch(/^forge: packages: .*plain.*: absent → /m);
    expect(words).toMatch(/^forge: packages: .*tool.*version: 1:2\.0-1 → 1\.0-1$/m);
    expect(words).toMatch(/^forge: packages: .*tool.*held: false → true$/m);
    await succeeds("up", "--yes");
    await succeeds("drift");
    expect(await installed()).toBe("plain 1.0\ntool 1.0-1\n");
  });

  it("go with the last house", async () => {
    await succeeds("destroy", "--yes");
    expect(await installed()).toBe("");
    expect(await inside(forge, "apt-mark showhold; ls -A /var/lib/wizard-houses 2>/dev/null || :")).toBe("");
  });
});
