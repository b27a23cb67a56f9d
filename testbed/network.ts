/** A bed's bridge, and each machine's network namespace with its cable to it. */
import { existsSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { inGroup } from "./cgroup.ts";
import { attempt, run } from "./command.ts";
import { PREFIX, bedFolder, bridgeName, helpersGroup, kernelNames, shortId } from "./paths.ts";
import { BITS, BITS6, type Subnet } from "./subnet.ts";

const NAMESPACES = "/run/netns";

export const namespaceFile = (namespace: string): string => `${NAMESPACES}/${namespace}`;

/** The bed's bridge, with this machine's addresses on it. */
export async function ensureBridge(bed: string, { gateway, gateway6 }: Subnet): Promise<void> {
  const bridge = bridgeName(bed);
  if (!existsSync(`/sys/class/net/${bridge}`)) await make(bed, ["link", "add", bridge, "type", "bridge"]);
  await batch([
    `addr replace ${gateway}/${BITS} dev ${bridge}`,
    `addr replace ${gateway6}/${BITS6} dev ${bridge} nodad`,
    `link set ${bridge} up`,
  ]);
}

/** Takes away every namespace and cable of the bed, and its bridge. */
export async function removeNetwork(bed: string): Promise<void> {
  // Together, because the kernel takes as long for one as for all.
  await batch(namespacesOf(bed).map((namespace) => `netns delete ${namespace}`));
  // Cables go with the namespaces, a little later, except where somebody holds a namespace open.
  for (let tries = 0; cablesOf(bed).length > 0 && tries < 100; tries++) await sleep(20);
  for (const cable of cablesOf(bed)) await run(["ip", "link", "delete", cable]);
  const bridge = bridgeName(bed);
  if (existsSync(`/sys/class/net/${bridge}`)) await run(["ip", "link", "delete", bridge]);
}

/** A new namespace for the machine, connected to the bridge, in place of the one it may have had. */
export async function plugIn(
  bed: string,
  number: number,
  { address, address6 }: { address: string; address6: string },
): Promise<void> {
  const { namespace, interface: cable } = kernelNames(bed, number);
  await unplug(namespace, cable);
  await make(bed, ["netns", "add", namespace]);
  // The same address for the same machine, so that neighbours' memory of it stays true when it is started again.
  const mac = `02:77:${[...shortId(bedFolder(bed)).slice(0, 4).matchAll(/../g)].join(":")}:00:${hex(number)}`;
  const peer = ["peer", "name", "eth0", "address", mac, "netns", namespace];
  await make(bed, ["link", "add", cable, "type", "veth", ...peer]);
  await batch([`link set ${cable} master ${bridgeName(bed)} up`]);
  await batch(
    [
      "link set lo up",
      "link set eth0 up",
      `addr add ${address}/${BITS} dev eth0`,
      `addr add ${address6}/${BITS6} dev eth0 nodad`,
    ],
    namespace,
  );
}

const hex = (number: number): string => number.toString(16).padStart(2, "0");

export async function replaceAddress(namespace: string, from: string, to: string): Promise<void> {
  // In this order: a second address of the same subnet goes with the first.
  await batch([`addr del ${from}/${BITS} dev eth0`, `addr add ${to}/${BITS} dev eth0`], namespace);
}

/** Drops every packet that reaches the machine, or lets them in again. */
export async function setBlackhole(namespace: string, on: boolean): Promise<void> {
  const nft = (input: string): Promise<string> =>
    run(["ip", "netns", "exec", namespace, "nft", "-f", "-"], { input });
  // Made before it is deleted, because deleting what is not there is an error.
  await nft("table inet testbed\ndelete table inet testbed\n");
  if (!on) return;
  await nft(
    "table inet testbed {\n" +
      'chain input { type filter hook input priority 0; policy drop; iif "lo" accept\n}\n' +
      'chain output { type filter hook output priority 0; policy drop; oif "lo" accept\n}\n}\n',
  );
}

/** Our namespaces that belong to the bed. */
function namespacesOf(bed: string): string[] {
  const prefix = `${PREFIX}${shortId(bedFolder(bed))}-`;
  return existsSync(NAMESPACES) ? readdirSync(NAMESPACES).filter((name) => name.startsWith(prefix)) : [];
}

/** Takes a machine's namespace and cable away, where they are. */
async function unplug(namespace: string, cable: string): Promise<void> {
  // The cable goes with either of its ends, but a namespace lives on while anybody holds it open.
  if (existsSync(`/sys/class/net/${cable}`)) await attempt(["ip", "link", "delete", cable]);
  for (let tries = 0; existsSync(`/sys/class/net/${cable}`) && tries < 100; tries++) await sleep(20);
  if (existsSync(namespaceFile(namespace))) await run(["ip", "netns", "delete", namespace]);
}

/** Takes away the namespace and the cable of a machine that is off. */
export async function unplugMachine(bed: string, number: number): Promise<void> {
  const { namespace, interface: cable } = kernelNames(bed, number);
  await unplug(namespace, cable);
}

/** Cables of the bed whose machine's end may be anywhere. */
function cablesOf(bed: string): string[] {
  const prefix = `wh${shortId(bedFolder(bed))}-`;
  return readdirSync("/sys/class/net").filter((name) => name.startsWith(prefix));
}

/** In the bed's group, so that nothing is made any more by a program that outlived its caller once that group is ended. */
async function make(bed: string, words: readonly string[]): Promise<void> {
  await run(inGroup(helpersGroup(bed), ["ip", ...words]), { title: `ip ${words.join(" ")}` });
}

async function batch(lines: readonly string[], namespace?: string): Promise<void> {
  if (lines.length === 0) return;
  const where = namespace === undefined ? [] : ["-n", namespace];
  await run(["ip", ...where, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}
