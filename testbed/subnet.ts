/** Addresses. 198.18.0.0/15 is reserved for benchmarks, so no machine elsewhere has one of them. */

/** Beds there can be beside each other: one /24 each. */
export const SUBNETS = 512;
/** Machines of a bed. */
export const MOST_MACHINES = 240;

export interface Subnet {
  /** In CIDR notation. */
  network: string;
  /** Address of this machine on the bridge, and of machine `number` (from 1). */
  gateway: string;
  gateway6: string;
  address(number: number): string;
  /** Whether the IPv4 address is one of the subnet's. */
  has(address: string): boolean;
  address6(number: number): string;
}

/** Prefix lengths of the addresses. */
export const BITS = 24;
export const BITS6 = 64;

/** This machine's address in the subnet of an IPv4 address. */
export const gatewayFor = (address: string): string => address.replace(/\d+$/, "1");

export function subnet(index: number): Subnet {
  const prefix = `198.${18 + (index >> 8)}.${index & 255}`;
  // A unique local prefix of our own; the last group before the host's part tells the beds apart.
  const prefix6 = `fd77:6974:7a68:${(index + 1).toString(16)}::`;
  return {
    network: `${prefix}.0/${BITS}`,
    gateway: gatewayFor(`${prefix}.0`),
    gateway6: `${prefix6}1`,
    has: (address) => address.startsWith(`${prefix}.`),
    address: (number) => `${prefix}.${number + 10}`,
    address6: (number) => `${prefix6}${(number + 10).toString(16)}`,
  };
}

/** Whether a route's IPv4 destination has an address of the subnet in it. */
export function overlaps(destination: string, { network }: Subnet): boolean {
  const [start, end] = range(destination);
  const [first, last] = range(network);
  return start <= last && first <= end;
}

function range(cidr: string): [number, number] {
  const [address = "", bits = "32"] = cidr.split("/");
  const size = 2 ** (32 - Number(bits));
  const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const start = Math.floor(number / size) * size;
  return [start, start + size - 1];
}
