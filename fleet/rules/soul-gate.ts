/** Rule `soul-gate`: what a wizard may talk to, and the safeguards of the harness that no overlay may loosen. */
import { isMap } from "../merge.ts";
import { at } from "../pins.ts";
import type { Path } from "../problem.ts";
import type { HarnessFacts } from "../harness/facts.ts";
import type { Finding } from "./finding.ts";
import { hostAmong, hostName, reachOf } from "./hosts.ts";
import type { PolicySettings } from "./settings.ts";

type Settings = PolicySettings["soul-gate"];
type Facts = Pick<HarnessFacts, "defaults" | "providers">;

/** Safeguards by place, with what is accepted. A place that a configuration leaves out has the harness's default. */
const SAFEGUARDS: readonly (readonly [Path, readonly unknown[]])[] = [
  [
    ["approvals", "mode"],
    ["manual", "smart"],
  ],
  [["approvals", "cron_mode"], ["deny"]],
  [["approvals", "mcp_reload_confirm"], [true]],
  [["approvals", "destructive_slash_confirm"], [true]],
  [["security", "redact_secrets"], [true]],
  [["security", "allow_lazy_installs"], [false]],
  [["security", "allow_private_urls"], [false]],
  [["privacy", "redact_pii"], [true]],
  [["browser", "allow_unsafe_evaluate"], [false]],
  [["delegation", "subagent_auto_approve"], [false]],
  [["hooks_auto_accept"], [false]],
];

/**
 * What is wrong with an effective configuration, that is, one in which a leaf left out has the harness's default.
 * References such as `${NAME}` in a URL are not followed: they are not what a URL's host is made of.
 */
export function soulGateFindings(config: unknown, settings: Settings, facts: Facts): Finding[] {
  const effective = (path: Path): unknown => at(config, path) ?? at(facts.defaults, path);
  const findings: Finding[] = [];
  for (const [path, accepted] of SAFEGUARDS) {
    const value = effective(path);
    // A harness that does not have the safeguard cannot loosen it.
    if (value === undefined || accepted.includes(value)) continue;
    findings.push({ path, message: "is not allowed", got: value, allowed: accepted.join(", ") });
  }
  const voices: [Path, readonly string[]][] = [[["tts", "provider"], settings.ttsProviders]];
  if (effective(["stt", "enabled"]) !== false) voices.push([["stt", "provider"], settings.sttProviders]);
  for (const [path, known] of voices) {
    const value = effective(path);
    if (typeof value === "string" && known.includes(value)) continue;
    findings.push({ path, message: "is no provider of the fleet", got: value, allowed: known.join(", ") });
  }
  const hosts = allowedHosts(settings, facts);
  for (const [path, url] of baseUrls(config, [])) findings.push(...urlFindings(url, path, hosts));
  return findings;
}

/** What is wrong with the URL of one endpoint. */
export function baseUrlFindings(url: string, settings: Settings, facts: Facts): Finding[] {
  return urlFindings(url, [], allowedHosts(settings, facts));
}

function urlFindings(url: string, path: Path, hosts: readonly string[]): Finding[] {
  const reach = reachOf(url);
  const host = hostName(url);
  if (reach === "loopback" || reach === "private") return [];
  if (reach === undefined || host === undefined || !hostAmong(hosts, host)) {
    const allowed =
      "a host of the harness's own providers, of this network, or of policies.soul-gate.remoteHosts in fleet.yaml";
    return [{ path, message: "is a forbidden remote base URL", got: url, allowed }];
  }
  if (/^(https|wss):/i.test(url)) return [];
  return [{ path, message: "crosses the internet in clear", got: url, allowed: "https" }];
}

function allowedHosts(settings: Settings, { providers }: Facts): string[] {
  const own = Object.values(providers).flatMap(({ url }) => hostName(url) ?? []);
  return [...own, "openrouter.ai", ...settings.remoteHosts];
}

const BASE_URL = /(^|_)(base_url|api_base|proxy_url|relay_url)$/;

function baseUrls(value: unknown, path: Path): [Path, string][] {
  if (Array.isArray(value)) return value.flatMap((item, index) => baseUrls(item, [...path, index]));
  if (!isMap(value)) return [];
  return Object.entries(value).flatMap(([key, inner]): [Path, string][] => {
    const here = [...path, key];
    if (typeof inner === "string") return inner !== "" && BASE_URL.test(key) ? [[here, inner]] : [];
    return baseUrls(inner, here);
  });
}
