/** A resource's input `host`, beyond what the schema says of it: what each transport needs. Pure. */
import type { Failure } from "../schema/spec.ts";
import type { Value, Values } from "../values.ts";
import { HOST_KEY_SHAPE, parseHostKey } from "./host-key.ts";
import type { Target } from "./ssh-arguments.ts";

/** Seconds within which a connection must be made, if nothing else is said. */
const CONNECT_DEADLINE = 20;

/** What ssh must not take for an option, a command or two words, and a ProxyCommand not for shell. */
const SSH_SHAPES: Record<string, { expression: RegExp; words: string }> = {
  address: {
    expression: /^[A-Za-z0-9:][A-Za-z0-9._:%-]{0,252}$/,
    words: "a host name or an IP address",
  },
  user: {
    expression: /^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}$/,
    words: "a login name",
  },
};

/** What is wrong with a connection whose properties have the right types. */
export function connectionFailures(host: Value | undefined): Failure[] {
  if (typeof host !== "object" || host === null || Array.isArray(host)) return [];
  const failures: Failure[] = [];
  const fail = (key: string, reason: string): void => void failures.push({ path: ["host", key], reason });
  const needs = (key: string): void => {
    if (host[key] === undefined) fail(key, `is required for the transport ${String(host["transport"])}`);
  };
  if (host["transport"] === "local") needs("root");
  if (host["transport"] !== "ssh") return failures;
  for (const key of ["address", "user", "hostKey"]) needs(key);
  for (const [key, { expression, words }] of Object.entries(SSH_SHAPES)) {
    const value = host[key];
    if (typeof value === "string" && !expression.test(value)) fail(key, `must be ${words}`);
  }
  const key = host["hostKey"];
  if (typeof key === "string" && !parseHostKey(key)) fail("hostKey", `must be ${HOST_KEY_SHAPE}`);
  const port = host["port"];
  if (typeof port === "number" && port > 65_535) fail("port", "must be at most 65535");
  return failures;
}

/** Where `check` has found nothing wrong: the host as ssh reaches it. */
export function sshTarget(host: Values): Target {
  const text = (key: string): string => String(host[key]);
  const key = parseHostKey(text("hostKey"));
  if (!key) throw new Error(`the host key of ${text("name")} has not been checked`);
  return {
    name: text("name"),
    address: text("address"),
    port: Number(host["port"] ?? 22),
    user: text("user"),
    key,
    keyLine: text("hostKey"),
    ...(host["formerHostKey"] !== undefined && { formerKeyLine: text("formerHostKey") }),
    connectDeadline: Number(host["connectDeadline"] ?? CONNECT_DEADLINE),
  };
}
