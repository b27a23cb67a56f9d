/** What kind of machine a URL's host is. Pure text: no name is looked up. */

export type Reach = "loopback" | "private" | "public";

/** Names that are never resolved on the internet. */
const PRIVATE_NAME = /(^|\.)(lan|local|internal|home\.arpa|intranet)$/;

/** Where a host stands as seen from a house. `undefined` for text that is no URL with a host. */
export function reachOf(url: string): Reach | undefined {
  if (!URL.canParse(url)) return undefined;
  // Unknown schemes leave the host as written; as https it is in canonical form, numbers such as 0x7f.1 included.
  const { hostname } = new URL(url.trim().replace(/^[a-z][a-z0-9+.-]*:\/\//i, "https://"));
  return hostname === "" ? undefined : reachOfHost(hostname.replace(/\.$/, ""));
}

function reachOfHost(host: string): Reach {
  if (/^\[.*\]$/.test(host)) return reachOfIpv6(host.slice(1, -1));
  const octets = /^\d+\.\d+\.\d+\.\d+$/.test(host) ? host.split(".").map(Number) : undefined;
  if (octets === undefined) {
    if (host === "localhost" || host.endsWith(".localhost")) return "loopback";
    return PRIVATE_NAME.test(host) || !host.includes(".") ? "private" : "public";
  }
  const [a = 0, b = 0] = octets;
  if (a === 127) return "loopback";
  const isPrivate =
    a === 10 ||
    (a === 172 && b >= 16 && b <= 31) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254) ||
    // Shared address space, which VPNs such as Tailscale use.
    (a === 100 && b >= 64 && b <= 127);
  return isPrivate ? "private" : "public";
}

function reachOfIpv6(address: string): Reach {
  if (address === "::1") return "loopback";
  return /^(f[cd]|fe[89ab])/.test(address) ? "private" : "public";
}

/** The host name of a URL in lower case, `undefined` if it has none. */
export function hostName(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { hostname } = new URL(url);
  return hostname === "" ? undefined : hostname.replace(/\.$/, "").toLowerCase();
}

/** Whether a host is one of the patterns; `*.example.com` also covers `example.com` itself. */
export function hostAmong(patterns: readonly string[], host: string): boolean {
  return patterns.some((pattern) =>
    pattern.startsWith("*.")
      ? host === pattern.slice(2) || host.endsWith(pattern.slice(1))
      : host === pattern,
  );
}
