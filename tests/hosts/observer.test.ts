/** A key that may only look, on a real host: drift is told as with any other key, and nothing else can be done with it. */
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, expect, it } from "vitest";

import { exec, type Machine } from "../../testbed/index.ts";
import { keepHouses, makeHostFleet, type HostFleet } from "./fleet.ts";
import { freshMachines } from "./machines.ts";

let forge: Machine;
let fleet: HostFleet;
let config: string;
let key: string;

beforeAll(async () => {
  [forge] = (await freshMachines(1)) as [Machine];
  fleet = await makeHostFleet({ forge });
  keepHouses(fleet, ["bezalel"]);
  const up = await fleet.run("up", ["--yes"]);
  expect(up.code, up.stdout + up.stderr).toBe(0);

  // As docs/pull-requests.md tells it.
  key = path.join(fleet.work.dir, ".hosts", "observer");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "drift", "-f", key]);
  const program = await fleet.work.run(["observer"]);
  expect(program.code, program.stderr).toBe(0);
  const place = "/usr/local/sbin/wizard-houses-look";
  const installed = await exec(forge, `cat >${place} && chmod 0755 ${place}`, { input: program.stdout });
  expect(installed.code, installed.stderr).toBe(0);
  const line = `restrict,command="${place}" ${readFileSync(`${key}.pub`, "utf8")}`;
  await exec(forge, "cat >>/root/.ssh/authorized_keys", { input: line });

  config = path.join(fleet.work.dir, ".hosts", "observer_config");
  writeFileSync(config, `Host *\n  IdentityFile ${key}\n  IdentitiesOnly yes\n  IdentityAgent none\n`);
});
afterAll(() => fleet?.cleanup());

const observed = (command: string, args: readonly string[] = []) =>
  fleet.run(command, args, { WIZARD_HOUSES_SSH_CONFIG: config });

it("tells that nothing has drifted, and what has", async () => {
  const clean = await observed("drift");
  expect(clean.stdout + clean.stderr).toContain("no drift: 1 house");
  expect(clean.code).toBe(0);
  await exec(
    forge,
    "echo '# by hand' >>/srv/wizards/bezalel/current/config.yaml; systemctl stop hermes-bezalel",
  );
  const [own, usual] = [await observed("drift"), await fleet.run("drift")];
  expect(own.code, own.stderr).toBe(7);
  expect(own.stdout).toContain("config.yaml content");
  expect(own.stdout).toContain("running: false → true");
  expect(own.stdout).toBe(usual.stdout);
});

it("looks for a house that is yet to come, beside one that is there", async () => {
  fleet.editFleet((data) => data.houses.push("ezra"));
  const checkout = path.resolve(import.meta.dirname, "..", "..");
  cpSync(path.join(checkout, "wizards", "ezra"), path.join(fleet.work.dir, "wizards", "ezra"), {
    recursive: true,
  });
  fleet.edit("wizards/ezra/house.yaml", "host: tower", "host: forge");
  const { code, stdout, stderr } = await observed("preview");
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toContain("+ ezra: release");
  expect(stdout + stderr).not.toContain("cannot be looked at");
});

it("changes nothing: an update fails before its first step", async () => {
  const before = await exec(
    forge,
    "sha256sum /srv/wizards/bezalel/current/config.yaml; readlink /srv/wizards/bezalel/current",
  );
  const up = await observed("up", ["--yes"]);
  expect(up.code).not.toBe(0);
  expect(up.stdout + up.stderr).toContain("this key may only look");
  const after = await exec(
    forge,
    "sha256sum /srv/wizards/bezalel/current/config.yaml; readlink /srv/wizards/bezalel/current",
  );
  expect(after.stdout).toBe(before.stdout);
});

it("is no login, no file transfer and no way through", () => {
  const ssh = (...args: string[]): string => {
    const options = ["-F", config, "-o", `UserKnownHostsFile=${forge.knownHostsFile}`, "-o", "BatchMode=yes"];
    try {
      return execFileSync("ssh", [...options, ...args], {
        input: "id\n",
        encoding: "utf8",
        stdio: "pipe",
        timeout: 20_000,
      });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      return stdout + stderr;
    }
  };
  const host = `root@${forge.address}`;
  for (const args of [[host], [host, "id"], ["-tt", host, "id"], ["-s", host, "sftp"]])
    expect(ssh(...args)).not.toMatch(/uid=0/);
  expect(ssh("-W", "127.0.0.1:22", host)).not.toContain("SSH-2.0");
});
