/** Takes out how hosts are reached. Comments are read by more people than may know it. */
import { readFileSync } from "node:fs";
import path from "node:path";

import { parse } from "yaml";

import { valueAt } from "../property-path.ts";

const ADDRESS =
  /(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4})?|(?:[0-9a-f]{1,4}:)+:(?:[0-9a-f]{1,4})?)(?![\w.])/gi;
const KEY = /\b(?:ssh-[a-z0-9-]+|ecdsa-[a-z0-9-]+) AAAA[\w+/=]+|\bSHA256:[\w+/=]{20,}/g;

/**
 * The same with every address, host key and login hidden.
 *
 * @param hosts address by name of the host, as wizards/fleet.yaml has them
 */
export function withoutConnections<Value>(
  told: Value,
  hosts: Readonly<Record<string, string | undefined>>,
): Value {
  return mapTexts(told, (text) => hidden(text, hosts)) as Value;
}

function hidden(text: string, hosts: Readonly<Record<string, string | undefined>>): string {
  let shown = text;
  for (const [name, address] of Object.entries(hosts))
    if (address) shown = shown.replaceAll(address, `(address of ${name})`);
  return shown.replace(KEY, "(key)").replace(ADDRESS, "(address)");
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mapTexts(inner, change)]));
}

/** Address by name of the host, from a checkout's wizards/fleet.yaml; none where that cannot be read. */
export function hostAddresses(checkout: string): Record<string, string> {
  let fleet: unknown;
  try {
    fleet = parse(readFileSync(path.join(checkout, "wizards", "fleet.yaml"), "utf8"));
  } catch {
    // A fleet that does not load is told of by the program; addresses are hidden by their shape then.
    return {};
  }
  const hosts = valueAt(fleet, ["hosts"]);
  return Object.fromEntries(
    Object.keys(typeof hosts === "object" && hosts !== null ? hosts : {}).flatMap((name) => {
      const address = valueAt(hosts, [name, "address"]);
      return typeof address === "string" ? [[name, address]] : [];
    }),
  );
}
