/** Rule `golden-state` on a provider chain: a house keeps thinking when a provider is gone, and when the internet is. */
import type { HarnessFacts } from "../harness/facts.ts";
import type { ProviderEntry } from "../model.ts";
import type { Finding } from "./finding.ts";
import { hostName, reachOf } from "./hosts.ts";
import type { PolicySettings } from "./settings.ts";

/** Whether a link is answered on the house's own host. */
export function isLocal(entry: ProviderEntry): boolean {
  return entry.provider === "custom" && reachOf(entry.baseUrl ?? "") === "loopback";
}

/**
 * What is wrong with a chain. A path is empty for the chain as a whole, or the index of a link. Two links are independent
 * if different companies answer them, which the second-level name of their endpoints tells: a provider's Chinese and
 * international entries are one, two servers on the house's host are one.
 */
export function chainFindings(
  chain: readonly ProviderEntry[],
  { providers: wanted }: PolicySettings["golden-state"],
  facts: Pick<HarnessFacts, "providers">,
): Finding[] {
  const findings: Finding[] = [];
  const names = chain.map((entry) => entry.provider).join(", ");
  const count = new Set(chain.map((entry) => vendorOf(entry, facts))).size;
  if (count < wanted) {
    const few =
      count === 0 ? "names no provider" : count === 1 ? "names one provider only" : "names too few providers";
    const words = wanted === 2 ? "two" : String(wanted);
    const allowed = `at least ${words} different providers, of different companies`;
    findings.push({ path: [], message: few, got: names, allowed });
  }
  const last = chain.at(-1);
  if (last === undefined || !isLocal(last)) {
    findings.push({
      path: last === undefined ? [] : [chain.length - 1],
      message: "ends the chain without a local model",
      got: last?.provider,
      allowed:
        "provider custom with a baseUrl on this machine, so that the house answers when the network is gone",
    });
  }
  return findings;
}

function vendorOf(entry: ProviderEntry, { providers }: Pick<HarnessFacts, "providers">): string {
  const known = Object.hasOwn(providers, entry.provider) ? providers[entry.provider]?.url : undefined;
  const url = entry.baseUrl ?? known ?? "";
  if (reachOf(url) === "loopback") return "this machine";
  const host = hostName(url);
  if (host === undefined) return entry.provider;
  if (/^[\d.]+$|^\[/.test(host)) return host;
  const labels = host.split(".");
  const [third, second = host, top = ""] = [labels.at(-3), labels.at(-2), labels.at(-1)];
  // `example.co.uk`: what is short before a country is no company's name.
  return top.length === 2 && second.length <= 3 && third !== undefined ? third : second;
}
