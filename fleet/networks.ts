/** Addresses and networks as text. */
import { isIP } from "node:net";

/** Whether it is an address or a network in CIDR notation, e.g. `203.0.113.0/24`. */
export function isNetwork(text: string): boolean {
  const [, address = "", bits] = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && (bits === undefined || Number(bits) <= (family === 4 ? 32 : 128));
}
