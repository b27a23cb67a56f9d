/** A copy of the checkout whose hosts are droplets of an account at the stand-in. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { parse, stringify } from "yaml";

import { destroyTestbed } from "../../testbed/index.ts";
import { run } from "../../testbed/command.ts";
import { ensureWheels } from "../../testbed/image.ts";
import { clientKeyFile, ensureClientKey, publicKey } from "../../testbed/keys.ts";
import { cacheFolder } from "../../testbed/paths.ts";
import type { CommandResult } from "../engine/workspace.ts";
import { VERSIONS } from "../../toolchain/versions.ts";
import { makeHostFleet, type HostFleet } from "../hosts/fleet.ts";
import { WHEELS } from "../hosts/harness-bed.ts";
import { Account, type Thing } from "./stand-in/account.ts";

const BED = "droplets";
const TOKEN = "dop_v1_of_the_stand_in";

export interface RentedFleet extends Omit<HostFleet, "run"> {
  account: Account;
  /** The operator's private key. */
  keyFile: string;
  run(command: string, args?: readonly string[]): Promise<CommandResult>;
  /** The droplet of that name; it must be there. */
  droplet(name: string): Thing;
}

/** The three real houses on two droplets, of which none is there yet. */
export async function makeRentedFleet(): Promise<RentedFleet> {
  await destroyTestbed(BED);
  await ensureClientKey(BED);
  await ensureWheels();
  const keyFile = clientKeyFile(BED);
  const folder = mkdtempSync(path.join(os.tmpdir(), "account-"));
  const account = new Account(path.join(folder, "account"));
  account.terms = { bed: BED, token: TOKEN };
  const agent = await startAgent(path.join(folder, "agent"), keyFile);
  const fleet = await makeHostFleet({}, keyFile);
  const settings = path.join(fleet.work.dir, "Pulumi.yaml");
  const project = parse(readFileSync(settings, "utf8")) as { plugins: { providers: object[] } };
  for (const name of ["digitalocean", "command"])
    project.plugins.providers.push({ name, path: `./tests/droplets/plugins/${name}` });
  writeFileSync(settings, stringify(project));
  // The wheels of the image's own harness, which its machines do not have.
  fleet.edit("Pulumi.testbed.yaml", "config:\n", `config:\n  wizard-houses:harnessWheels: ${WHEELS}\n`);
  fleet.editFleet((data) => {
    data["harness"] = { version: VERSIONS.hermesAgent };
    data["digitalocean"] = { sshKeys: { operator: publicKey(keyFile) }, sshFrom: ["198.18.0.0/15"] };
    for (const host of ["tower", "forge"])
      data.hosts[host] = { droplet: { region: "fra1", size: "s-1vcpu-2gb" } };
  });
  const environment = {
    SSH_AUTH_SOCK: agent.socket,
    DIGITALOCEAN_TOKEN: TOKEN,
    STAND_IN_ACCOUNT: path.join(folder, "account"),
    // The machines are this checkout's, whichever copy of it starts them.
    TESTBED_CACHE: cacheFolder(),
  };
  return {
    ...fleet,
    account,
    keyFile,
    run: (command, args = []) => fleet.run(command, args, environment),
    droplet(name) {
      const found = account.all("droplet").find(({ inputs }) => inputs["name"] === name);
      if (!found) throw new Error(`there is no droplet ${name}: ${JSON.stringify(account.inventory())}`);
      return found;
    },
    cleanup() {
      agent.process.kill();
      fleet.cleanup();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const removeMachines = (): Promise<void> => destroyTestbed(BED);

/** An agent with the operator's key: the provider `command` reads no files. */
async function startAgent(
  socket: string,
  keyFile: string,
): Promise<{ socket: string; process: ChildProcess }> {
  const process = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  for (let tries = 0; ; tries++) {
    try {
      await run(["ssh-add", "-q", keyFile], { env: { ...globalThis.process.env, SSH_AUTH_SOCK: socket } });
      return { socket, process };
    } catch (error) {
      if (tries > 50) throw error;
      await sleep(50);
    }
  }
}
