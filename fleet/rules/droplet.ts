/** Rule `droplet`: machines that are rented are the ones wanted, closed to the world, and paid for knowingly. */
import type { Finding } from "./finding.ts";
import type { PolicySettings } from "./settings.ts";

type Settings = PolicySettings["droplet"];
/** What backups cost, as a share of the price of the droplet. */
const BACKUPS = 0.2;

/** Inputs of `digitalocean:index/droplet:Droplet`, each judged on its own. */
export function regionFindings(region: unknown, { regions }: Settings): Finding[] {
  if (regions.some((one) => one === region)) return [];
  return [{ path: ["region"], message: "is not allowed", got: region, allowed: regions.join(", ") }];
}

export function sizeFindings(size: unknown, { sizes }: Settings): Finding[] {
  if (typeof size === "string" && Object.hasOwn(sizes, size)) return [];
  return [{ path: ["size"], message: "is not allowed", got: size, allowed: Object.keys(sizes).join(", ") }];
}

export function tagFindings(tags: unknown, settings: Settings): Finding[] {
  const has = Array.isArray(tags) ? tags : [];
  const missing = settings.tags.filter((tag) => !has.includes(tag));
  if (missing.length === 0) return [];
  return [
    { path: ["tags"], message: `lacks ${missing.join(", ")}`, got: tags, allowed: settings.tags.join(", ") },
  ];
}

export function backupFindings(backups: unknown, settings: Settings): Finding[] {
  if (!settings.backups || backups === true) return [];
  return [{ path: ["backups"], message: "are off", got: backups, allowed: "true" }];
}

/** Without a key of its own a droplet gets a root password by mail. */
export function sshKeysFindings(sshKeys: unknown): Finding[] {
  const keys = Array.isArray(sshKeys) ? sshKeys.filter((key) => typeof key === "string" && key !== "") : [];
  if (keys.length > 0) return [];
  return [
    {
      path: ["sshKeys"],
      message: "is empty, so the droplet gets a password",
      allowed: "ids or fingerprints of SSH keys",
    },
  ];
}

const PASSWORD_ON =
  /^\s*(ssh_pwauth\s*:\s*["']?(yes|true|on|1)\b|PasswordAuthentication\s+yes\b|-?\s*PermitRootLogin\s+yes\b)/im;
const PASSWORD_SET = /^\s*(-\s*)?(chpasswd|passwd|hashed_passwd|plain_text_passwd|password)\s*:/im;

/** cloud-init's user data must switch password logins off and set none. */
export function userDataFindings(userData: unknown): Finding[] {
  const text = typeof userData === "string" ? userData : "";
  const allowed = "ssh_pwauth: false, and no passwords";
  if (PASSWORD_ON.test(text))
    return [{ path: ["userData"], message: "lets people log in with a password", allowed }];
  if (PASSWORD_SET.test(text)) return [{ path: ["userData"], message: "sets a password", allowed }];
  if (/^\s*ssh_pwauth\s*:\s*["']?(no|false|off|0)\b/im.test(text)) return [];
  return [{ path: ["userData"], message: "does not switch password logins off", allowed }];
}

/** Dollars a month; 0 for a size that is not allowed anyway. */
export function monthlyCost(size: unknown, backups: unknown, { sizes }: Settings): number {
  const price = typeof size === "string" && Object.hasOwn(sizes, size) ? (sizes[size] ?? 0) : 0;
  return backups === true ? price * (1 + BACKUPS) : price;
}

export function costFindings(total: number, { monthly }: Settings): Finding[] {
  if (total <= monthly) return [];
  const message = `makes the stack's droplets cost $${total.toFixed(2)} a month`;
  return [{ path: ["size"], message, allowed: `up to $${monthly}; policies.droplet.monthly in fleet.yaml` }];
}

const WORLD = ["0.0.0.0/0", "::/0"];

/** `inboundRules` of `digitalocean:index/firewall:Firewall`: of what the world reaches, the web ports and ping are all. */
export function inboundFindings(rules: unknown): Finding[] {
  if (!Array.isArray(rules))
    return [{ path: ["inboundRules"], message: "is missing", allowed: "a list of rules" }];
  return rules.flatMap((rule: unknown, index): Finding[] => {
    const { protocol, portRange, sourceAddresses } = (rule ?? {}) as Record<string, unknown>;
    const open = Array.isArray(sourceAddresses) && sourceAddresses.some((source) => isWorld(source));
    if (!open || protocol === "icmp") return [];
    if (protocol === "tcp" && (portRange === "80" || portRange === "443")) return [];
    const allowed = "the addresses that need it; the world only on tcp 80 and 443";
    return [{ path: ["inboundRules", index], message: "is open to the world", got: portRange, allowed }];
  });
}

/** Also a network so wide that it is the world in two halves. */
function isWorld(source: unknown): boolean {
  if (typeof source !== "string") return true;
  const bits = Number(/\/(\d+)$/.exec(source)?.[1] ?? 128);
  return WORLD.includes(source) || (source.includes(":") ? bits < 16 : bits < 8);
}
