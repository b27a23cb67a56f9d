/** The machines that a stack rents. */
import * as pulumi from "@pulumi/pulumi";

import { dropletCosts, isDroplet } from "../fleet/droplet.ts";
import type { LoadedFleet } from "../fleet/index.ts";
import { loadCloud } from "./cloud.ts";
import { DigitalOcean, type Rented } from "./digital-ocean.ts";
import type { StackSettings } from "./stack.ts";

/** What an operator wants to know of them: costs in US dollars a month, and how each is reached. */
export interface RentedSummary {
  monthly: number;
  hosts: Record<string, Partial<Rented["connection"]> & { monthly?: number }>;
}

/** Makes what the fleet's droplets are, by host. Where there is none, nothing is loaded for them and nothing said. */
export async function rentMachines(
  { hosts, digitalocean: account, policies }: LoadedFleet,
  { transport, connectDeadline }: StackSettings,
): Promise<{ rented: Record<string, Rented>; summary?: RentedSummary }> {
  const droplets = transport === "ssh" ? Object.values(hosts).filter(isDroplet) : [];
  if (droplets.length === 0 || account === undefined) return { rented: {} };
  const { rented } = new DigitalOcean("digitalocean", {
    ...{ cloud: await loadCloud(), stack: pulumi.getStack(), account, hosts: droplets },
    ...(connectDeadline !== undefined && { connectDeadline }),
  });
  const { byHost, total } = dropletCosts(droplets, policies.droplet);
  const each = droplets.map(({ name }) => {
    const { address, port, user, hostKey } = rented[name]?.connection ?? {};
    return [name, { address, port, user, hostKey, monthly: byHost[name] }];
  });
  return { rented, summary: { monthly: total, hosts: Object.fromEntries(each) as RentedSummary["hosts"] } };
}
