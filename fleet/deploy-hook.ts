/** The deploy hook as `fleet.yaml` says it, and what follows from that: URLs of the hook and of its forge. Pure. */
import type { DeployHookSettings, HostSpec } from "./model.ts";
import type { Finding } from "./rules/finding.ts";

/** Name of the hook in its URL: what forges out there have been told for years. */
export const HOOK_ID = "deploy-timmy-config";

/** Where the hook itself listens; only the proxy on its own host gets at it. */
export const HOOK_LISTEN = "127.0.0.1:9000";

/** Where the proxy listens where it has no certificate: for a forge on the same host. */
const PLAIN_PORT = 9080;

/** Where the proxy listens. */
export const proxyAddress = ({ tls, names }: DeployHookSettings): string[] =>
  tls === undefined ? [`http://127.0.0.1:${PLAIN_PORT}`] : names.map((name) => `https://${name}`);

/** The URL to give to the forge. */
export const hookUrl = (hook: DeployHookSettings): string => `${proxyAddress(hook)[0]}/hooks/${HOOK_ID}`;

/** Where the forge's repository is fetched from. */
export const cloneUrl = ({ forge }: DeployHookSettings): string =>
  `${forge.url.replace(/\/+$/, "")}/${forge.repository}.git`;

/** Where the forge takes the status of a commit; the commit's id comes behind it. */
export function statusUrl({ forge }: DeployHookSettings): string {
  const url = forge.url.replace(/\/+$/, "");
  const api =
    forge.kind === "gitea"
      ? `${url}/api/v1`
      : url === "https://github.com"
        ? "https://api.github.com"
        : `${url}/api/v3`;
  return `${api}/repos/${forge.repository}/statuses`;
}

/** What is wrong beyond the shape. Paths lead from `deployHook`. */
export function deployHookFindings(
  hook: DeployHookSettings,
  hosts: Readonly<Record<string, unknown>>,
  houses: readonly { name: string; host: string }[],
): Finding[] {
  const findings: Finding[] = [];
  if (!Object.hasOwn(hosts, hook.host)) {
    const allowed = Object.keys(hosts).join(", ");
    findings.push({ path: ["host"], message: "is no host of the fleet", got: hook.host, allowed });
  }
  const tenants = houses.filter(({ host }) => host === hook.host).map(({ name }) => name);
  if (tenants.length > 0) {
    findings.push({
      path: ["host"],
      message: `has an agent on it: ${tenants.join(", ")}`,
      got: hook.host,
      allowed: "a host of its own: whoever has that host has every key of the fleet",
    });
  }
  return findings;
}

/** The host that the hook is on, if it is part of a stack. */
export function controlHouse(
  hook: DeployHookSettings | undefined,
  hosts: Readonly<Record<string, HostSpec>>,
  stack: string,
): { hook: DeployHookSettings; spec: HostSpec } | undefined {
  const spec = hook === undefined ? undefined : hosts[hook.host];
  return hook === undefined || spec === undefined || hook.stack !== stack ? undefined : { hook, spec };
}
