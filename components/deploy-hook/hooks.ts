/** The hooks file of webhook (adnanh/webhook 2.8): which requests are a delivery of the forge. Pure. */
import { HOOK_ID } from "../../fleet/deploy-hook.ts";
import type { DeployHookSettings } from "../../fleet/model.ts";

interface Signing {
  /** Header with the HMAC-SHA256 over the raw body. */
  signature: string;
  /** What its value looks like; two signatures in one header, or two headers joined, do not. */
  form: string;
  event: string;
}

/**
 * How each forge signs and names a delivery.
 *
 * - Gitea, Forgejo: https://docs.gitea.com/usage/webhooks, hexadecimal digits alone.
 * - GitHub: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries, with `sha256=` before them.
 */
export const SIGNING: Readonly<Record<DeployHookSettings["forge"]["kind"], Signing>> = {
  gitea: { signature: "X-Gitea-Signature", form: "^[0-9a-f]{64}$", event: "X-Gitea-Event" },
  github: { signature: "X-Hub-Signature-256", form: "^sha256=[0-9a-f]{64}$", event: "X-GitHub-Event" },
};

/** Path at which the hook says that it is there, with this very file loaded. No program runs for it. */
export const HEALTH_ID = "health";

const header = (name: string) => ({ source: "header", name });
const payload = (name: string) => ({ source: "payload", name });
const matches = (regex: string, parameter: object) => ({ match: { type: "regex", regex, parameter } });

/** @param secrets the one in force, and behind it the one before while a forge still signs with that */
export function hooksFile(
  kind: DeployHookSettings["forge"]["kind"],
  script: string,
  secrets: readonly string[],
): string {
  const { signature, form, event } = SIGNING[kind];
  const signed = secrets.map((secret) => ({
    match: { type: "payload-hmac-sha256", secret, parameter: header(signature) },
  }));
  const environment = {
    DELIVERY_EVENT: header(event),
    DELIVERY_SIGNATURE: header(signature),
    DELIVERY_REF: payload("ref"),
    DELIVERY_REPOSITORY: payload("repository.full_name"),
  };
  const deploy = {
    id: HOOK_ID,
    "execute-command": script,
    "http-methods": ["POST"],
    "incoming-payload-content-type": "application/json",
    "include-command-output-in-response": true,
    "trigger-rule-mismatch-http-response-code": 401,
    // Else the first of two secrets that does not fit would be an error, and the second never be tried.
    "trigger-signature-soft-failures": true,
    "trigger-rule": {
      and: [
        matches("^application/json\\b", header("Content-Type")),
        matches(form, header(signature)),
        { or: signed },
      ],
    },
    "pass-environment-to-command": Object.entries(environment).map(([envname, parameter]) => ({
      envname,
      ...parameter,
    })),
  };
  const health = {
    id: HEALTH_ID,
    "execute-command": "/bin/false",
    "http-methods": ["GET"],
    // A rule that nothing fulfils: the answer is that of the mismatch, and it comes without a program being run.
    "trigger-rule": {
      match: { type: "value", value: "NONE", parameter: { source: "request", name: "method" } },
    },
    "trigger-rule-mismatch-http-response-code": 200,
  };
  return `${JSON.stringify([deploy, health], null, 2)}\n`;
}
