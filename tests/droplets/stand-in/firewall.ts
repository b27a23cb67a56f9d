/** The cloud's firewalls, put in force with nftables in the network namespace of a droplet's machine. */
import { run } from "../../../testbed/command.ts";
import { namespaceFile } from "../../../testbed/network.ts";
import { kernelNames } from "../../../testbed/paths.ts";
import { readRecord } from "../../../testbed/records.ts";
import { existsSync } from "node:fs";

import type { Account, Thing } from "./account.ts";

interface Rule {
  protocol: string;
  portRange?: string;
  sourceAddresses?: string[];
}

/** Of a droplet that no firewall covers everything is open, as at the real cloud. Rules of several firewalls add up. */
export function ruleset(droplet: Thing, firewalls: readonly Thing[]): string {
  const tags = droplet.inputs["tags"] as string[];
  const covering = firewalls.filter(({ inputs }) =>
    ((inputs["tags"] ?? []) as string[]).some((tag) => tags.includes(tag)),
  );
  // Made before it is deleted, because deleting what is not there is an error.
  const fresh = "table inet cloud\ndelete table inet cloud\n";
  if (covering.length === 0) return fresh;
  const rules = covering.flatMap(({ inputs }) => ((inputs["inboundRules"] ?? []) as Rule[]).flatMap(lines));
  const always = [
    'iif "lo" accept',
    "ct state established,related accept",
    "icmpv6 type nd-neighbor-solicit accept",
  ];
  return (
    `${fresh}table inet cloud {\nchain input {\ntype filter hook input priority -10; policy drop\n` +
    `${[...always, "icmpv6 type nd-neighbor-advert accept", ...rules].join("\n")}\n}\n}\n`
  );
}

function lines({ protocol, portRange, sourceAddresses = [] }: Rule): string[] {
  const what = protocol === "icmp" ? "meta l4proto { icmp, ipv6-icmp }" : `${protocol} dport ${portRange}`;
  const sources = (family: string, of: string[]): string[] =>
    of.length === 0 ? [] : [`${family} saddr { ${of.join(", ")} } ${what} accept`];
  const world = (address: string): boolean => /^(0\.0\.0\.0|::)\/0$/.test(address);
  if (sourceAddresses.some(world)) return [`${what} accept`];
  return [
    ...sources(
      "ip",
      sourceAddresses.filter((address) => !address.includes(":")),
    ),
    ...sources(
      "ip6",
      sourceAddresses.filter((address) => address.includes(":")),
    ),
  ];
}

/** Puts in force what covers each droplet now. A machine that is started again is in a new namespace, so then too. */
export async function enforceFirewalls(account: Account): Promise<void> {
  const { bed } = account.terms;
  const firewalls = account.all("firewall");
  for (const droplet of account.all("droplet")) {
    const record = readRecord(bed, String(droplet.facts["machine"]));
    if (!record) continue;
    const { namespace } = kernelNames(bed, record.number);
    if (!existsSync(namespaceFile(namespace))) continue;
    await run(["ip", "netns", "exec", namespace, "nft", "-f", "-"], { input: ruleset(droplet, firewalls) });
  }
}
