/** From an empty account to three healthy houses and back, as an operator sees it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { attempt } from "../../testbed/command.ts";
import type { Machine } from "../../testbed/index.ts";
import { inside } from "../hosts/fleet.ts";
import { makeRentedFleet, removeMachines, type RentedFleet } from "./rented-fleet.ts";
import { machineOfDroplet, powerCycle } from "./stand-in/machines.ts";

const HOUSES = { allegro: "tower", ezra: "tower", bezalel: "forge" } as const;
type House = keyof typeof HOUSES;
const houses = Object.keys(HOUSES) as House[];

let fleet: RentedFleet;
/** Seconds, for whoever asked. */
const times: Record<string, number> = {};
async function timed<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const from = Date.now();
  const result = await work();
  times[what] = Math.round((Date.now() - from) / 100) / 10;
  return result;
}
const on = (house: House): Machine => machineOfDroplet(fleet.account, fleet.droplet(HOUSES[house]))!;
const health = (house: House): Promise<string> =>
  inside(
    on(house),
    `port=$(sed -n 's/.*API_SERVER_PORT=//p' /srv/wizards/${house}/current/.env | tr -d "\\"'")
     curl -s -o /dev/null -w '%{http_code}' --retry 90 --retry-delay 1 --retry-connrefused \\
       "http://127.0.0.1:$port/health"`,
  );

beforeAll(async () => {
  fleet = await makeRentedFleet();
});
afterAll(async () => {
  const file = process.env["DROPLET_TIMES"];
  if (file !== undefined) writeFileSync(file, JSON.stringify(times));
  fleet?.cleanup();
  await removeMachines();
});

/** Address and pin of each droplet, as the stack tells them. */
async function pins(): Promise<Record<string, { address: string; hostKey: string }>> {
  const { stdout } = await fleet.run("pulumi", ["stack", "output", "droplets", "--json"]);
  return (JSON.parse(stdout) as { hosts: Record<string, { address: string; hostKey: string }> }).hosts;
}

/** What ssh says when it logs in with this key pinned: its exit code, or its words. */
async function loginWith(address: string, hostKey: string): Promise<string> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "login-"));
  writeFileSync(path.join(folder, "known"), `${address} ${hostKey}\n`);
  const options = ["BatchMode=yes", "StrictHostKeyChecking=yes", `UserKnownHostsFile=${folder}/known`];
  const { code, stderr } = await attempt([
    ...["ssh", "-F", "none", "-i", fleet.keyFile, "-l", "root"],
    ...options.flatMap((option) => ["-o", option]),
    ...[address, "true"],
  ]);
  rmSync(folder, { recursive: true });
  return code === 0 ? "0" : stderr;
}

/** Whether a connection is accepted within a second and a half. */
function reached(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port, timeout: 1500 });
    const end = (answer: boolean) => (socket.destroy(), resolve(answer));
    socket.on("connect", () => end(true));
    socket.on("timeout", () => end(false));
    socket.on("error", () => end(false));
  });
}

/** A metadata service where a cloud has it. */
const serveMetadata = (machine: Machine): Promise<string> =>
  inside(
    machine,
    `ip address replace 169.254.169.254/32 dev lo; mkdir -p /run/metadata; printf secret >/run/metadata/user-data
     systemd-run --quiet --unit=metadata --collect --working-directory=/run/metadata \\
       python3 -m http.server --bind 169.254.169.254 80
     for i in 1 2 3 4 5 6 7 8 9; do curl -s -o /dev/null http://169.254.169.254/ && exit; sleep 0.2; done; exit 1`,
  );
const metadata = (machine: Machine, user: string): Promise<string> =>
  inside(
    machine,
    `setpriv --reuid=${user} --clear-groups curl -s --max-time 3 http://169.254.169.254/user-data || :`,
  );

describe("a fleet of droplets", () => {
  it("comes up from an empty account on machines without a harness, and every gateway answers", async () => {
    expect(fleet.account.inventory()).toEqual({});
    const up = await timed("fromNothing", () => fleet.run("up", ["--yes"]));
    expect(up.code, up.stdout + up.stderr).toBe(0);
    for (const house of houses) expect(await health(house)).toBe("200");
    for (const host of ["tower", "forge"]) {
      const machine = machineOfDroplet(fleet.account, fleet.droplet(host))!;
      // What the image has of its own would be at /opt/hermes/venv.
      expect(await inside(machine, "ls /opt/hermes")).toMatch(/^\d[\d.]*-[0-9a-f]{12}\nrecord\nwheels\n$/);
    }
    const { monthly } = JSON.parse(
      (await fleet.run("pulumi", ["stack", "output", "droplets", "--json"])).stdout,
    ) as {
      monthly: number;
    };
    expect(monthly).toBe(28.8);
  });

  it("is known by another key than the one in its user data, which opens nothing any more", async () => {
    for (const name of ["tower", "forge"]) {
      const { address, hostKey } = (await pins())[name]!;
      const born = /ssh-ed25519 [A-Za-z0-9+/]{68}/.exec(String(fleet.droplet(name).inputs["userData"]))![0];
      expect(hostKey).not.toBe(born);
      expect(await loginWith(address, hostKey)).toBe("0");
      expect(await loginWith(address, born)).toContain("Host key verification failed");
    }
  });

  it("was told what cloud-init's own schema has, and no key but that of the host", async () => {
    expect(await inside(on("ezra"), "cloud-init schema --system 2>&1")).toContain("Valid cloud-config");
    const userData = String(fleet.droplet("tower").inputs["userData"]);
    expect(userData.match(/PRIVATE KEY/g)).toHaveLength(2);
    expect(userData).not.toMatch(/API|TOKEN|dop_v1/i);
    expect(Buffer.byteLength(userData)).toBeLessThan(2048);
  });

  it("keeps its private keys secret: in state and output there is none", async () => {
    const lines = String(fleet.droplet("tower").inputs["userData"]).match(/^ +[A-Za-z0-9+/]{60,}=*$/gm)!;
    expect(lines.length).toBeGreaterThan(1);
    const [, middle = ""] = lines.map((line) => line.trim());
    expect(fleet.state()).not.toContain(middle);
    expect(fleet.state()).not.toContain("PRIVATE KEY");
    const shown = await fleet.run("pulumi", ["stack", "export"]);
    expect(shown.stdout).toContain("host:index:KeyPair");
    expect(shown.stdout).not.toContain("PRIVATE KEY");
  });

  it("lets in SSH from the operators, and nothing else", async () => {
    const machine = on("ezra");
    await inside(machine, "systemd-run --quiet --unit=open-port python3 -m http.server 8000");
    const reach = (port: number) => reached(machine.address, port);
    await inside(
      machine,
      "for i in 1 2 3 4 5 6 7 8 9; do curl -s -o /dev/null localhost:8000 && exit; sleep 0.2; done; exit 1",
    );
    expect([await reach(22), await reach(8000), await reach(8643)]).toEqual([true, false, false]);
    fleet.editFleet(({ hosts }) => {
      hosts["tower"]!.droplet!["inbound"] = [{ port: 8000, from: ["198.18.0.0/15"] }];
    });
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect(await reach(8000)).toBe(true);
  });

  it("keeps its metadata service from all but root, also after a power cycle", async () => {
    const machine = on("ezra");
    await serveMetadata(machine);
    expect(await metadata(machine, "root")).toBe("secret");
    expect(await metadata(machine, "wizard-ezra")).toBe("");
    await powerCycle(fleet.account, fleet.droplet("tower"));
    await serveMetadata(machine);
    expect([await metadata(machine, "root"), await metadata(machine, "wizard-ezra")]).toEqual(["secret", ""]);
    for (const house of houses) expect(await health(house)).toBe("200");
    // What is closed here would be open without the guard.
    await inside(machine, "nft delete table inet wizard_metadata");
    expect(await metadata(machine, "wizard-ezra")).toBe("secret");
    await inside(machine, "systemctl restart wizard-metadata");
    expect(await metadata(machine, "wizard-ezra")).toBe("");
  });

  it.each([
    ["deleted", "nft delete table inet wizard_metadata"],
    ["emptied", "nft flush chain inet wizard_metadata output"],
    ["overruled", "nft insert rule inet wizard_metadata output ip daddr 169.254.169.254 accept"],
  ])("tells that the guard was %s in the kernel, and puts it back", async (_how, command) => {
    const machine = on("ezra");
    await inside(machine, command);
    expect(await metadata(machine, "wizard-ezra")).toBe("secret");
    expect(await inside(machine, "systemctl is-active wizard-metadata")).toBe("active\n");
    const drift = await fleet.run("drift");
    expect(drift.code, drift.stdout + drift.stderr).toBe(7);
    expect(drift.stdout).toMatch(
      /^tower: unit: wizard-metadata\.service running: \(.* not in force\) → true$/m,
    );
    expect(drift.stdout).toContain("1 drifted property");
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect(await metadata(machine, "wizard-ezra")).toBe("");
    // As it is to be, nothing is told.
    expect((await fleet.run("drift")).code).toBe(0);
  });

  it("is reached by the commands for single houses too, by the pins of its state", async () => {
    const status = await fleet.run("deadman", ["status"]);
    expect(status.stdout + status.stderr).toContain("ezra: its deadman switch watches");
    expect(status.code).toBe(0);
  });

  it("stays as it is in a second update, and has no drift", async () => {
    const before = fleet.account.all("droplet").map(({ id }) => id);
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect(up.stdout + up.stderr).not.toMatch(/[~+-] \d+ (updated|created|deleted|replaced)/);
    const drift = await fleet.run("drift");
    expect(drift.code, drift.stdout + drift.stderr).toBe(0);
    expect(fleet.account.all("droplet").map(({ id }) => id)).toEqual(before);
  });

  it("passes the policies", async () => {
    const preview = await fleet.run("preview", ["--policy-pack", "policies"]);
    expect(preview.code, preview.stdout + preview.stderr).toBe(0);
  });

  it("is not replaced by another key or image, and grows without being replaced", async () => {
    const { id } = fleet.droplet("forge");
    fleet.editFleet((data) => {
      data.hosts["forge"]!.droplet!["size"] = "s-2vcpu-2gb";
      const account = data["digitalocean"] as { sshKeys: Record<string, string> };
      account.sshKeys["second"] = `ssh-ed25519 ${"A".repeat(24)}C3NzaC1lZDI1NTE5AAAAI${"B".repeat(23)}`;
    });
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect(fleet.droplet("forge")).toMatchObject({ id, inputs: { size: "s-2vcpu-2gb" } });
    expect(await health("bezalel")).toBe("200");
  });

  it("gets another machine only when the house on it is drained", async () => {
    const forge = (change: object): void =>
      fleet.editFleet(({ hosts }) => Object.assign(hosts["forge"]!.droplet!, change));
    forge({ protect: false });
    const freed = await fleet.run("up", ["--yes"]);
    expect(freed.code, freed.stdout + freed.stderr).toBe(0);
    const { id } = fleet.droplet("forge");
    forge({ generation: 2 });
    const refused = await fleet.run("up", ["--yes"]);
    expect(refused.code).toBe(1);
    expect(refused.stdout + refused.stderr).toContain(
      "bezalel: its host forge becomes another machine, and it is not drained",
    );
    expect(fleet.droplet("forge").id).toBe(id);
    expect(await health("bezalel")).toBe("200");
    const drained = await fleet.run("drain", ["bezalel", "--wait", "1"]);
    expect(drained.code, drained.stdout + drained.stderr).toBe(0);
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect(fleet.account.all("droplet")).toHaveLength(2);
    expect(fleet.droplet("forge").id).not.toBe(id);
    expect(await health("bezalel")).toBe("200");
  });

  it("goes back to an empty account", async () => {
    fleet.editFleet(({ hosts }) =>
      Object.values(hosts).forEach(({ droplet }) => (droplet!["protect"] = false)),
    );
    const freed = await fleet.run("up", ["--yes"]);
    expect(freed.code, freed.stdout + freed.stderr).toBe(0);
    const gone = await timed("backToNothing", () => fleet.run("destroy", ["--yes"]));
    expect(gone.code, gone.stdout + gone.stderr).toBe(0);
    expect(fleet.account.inventory()).toEqual({});
  });

  it("does not lose a droplet that was ordered and never became active: destroy takes it away", async () => {
    fleet.account.terms = { ...fleet.account.terms, stillborn: ["forge"] };
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code).toBe(1);
    expect(up.stdout + up.stderr).toContain("waiting for droplet to become ready");
    expect(fleet.account.inventory()["droplet"]).toContain("forge");
    const gone = await fleet.run("destroy", ["--yes"]);
    expect(gone.code, gone.stdout + gone.stderr).toBe(0);
    expect(fleet.account.inventory()).toEqual({});
  });
});
