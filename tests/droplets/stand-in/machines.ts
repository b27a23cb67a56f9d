/** Droplets: machines of the test bed, made from their user data by the real cloud-init. */
import { createHash } from "node:crypto";

import { discardMachine, launchMachine, machineOf, powerOff, start } from "../../../testbed/index.ts";
import type { Account, Thing } from "./account.ts";
import { enforceFirewalls } from "./firewall.ts";

const which = (account: Account, droplet: Thing) => ({
  bed: account.terms.bed,
  name: String(droplet.facts["machine"]),
});

/** Starts the machine of a droplet and says what the cloud knows of it from the first moment on. */
export async function startDroplet(
  account: Account,
  id: string,
  inputs: Record<string, unknown>,
): Promise<Thing> {
  const keys = (inputs["sshKeys"] ?? []) as string[];
  const known = account.all("sshKey");
  const publicKeys = keys.map((key) => {
    const found = known.find(({ id: other, facts }) => [other, facts["fingerprint"]].includes(key));
    if (!found) throw new Error(`${key} are invalid key identifiers for Droplet creation.`);
    return String(found.inputs["publicKey"]);
  });
  const name = String(inputs["name"]);
  const machine = await launchMachine(account.terms.bed, {
    userData: String(inputs["userData"] ?? ""),
    metaData: JSON.stringify({ "instance-id": id, "local-hostname": name, "public-keys": publicKeys }),
  });
  const facts = {
    machine: machine.name,
    ipv4Address: machine.address,
    ipv6Address: machine.address6,
    dropletUrn: `do:droplet:${id}`,
    status: "active",
    // The real provider keeps this and not the text.
    userData: createHash("sha1")
      .update(String(inputs["userData"] ?? ""))
      .digest("hex"),
  };
  const droplet = { id, inputs, facts };
  account.put("droplet", droplet);
  await enforceFirewalls(account);
  return droplet;
}

/** Off and on again, as a resize does it and a human in the control panel. Waits until it answers. */
export async function powerCycle(account: Account, droplet: Thing): Promise<void> {
  await powerOff(which(account, droplet));
  await start(which(account, droplet));
  await enforceFirewalls(account);
}

export async function endDroplet(account: Account, droplet: Thing): Promise<void> {
  await discardMachine(which(account, droplet));
  account.drop("droplet", droplet.id);
}

export const machineOfDroplet = (account: Account, droplet: Thing) => machineOf(which(account, droplet));
