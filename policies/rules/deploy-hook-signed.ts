/** Rule `deploy-hook-signed`: a deploy is started by whoever holds the key. */
import { hostsFindings, listenFindings, secretFindings, urlFindings } from "../../fleet/rules/deploy-hook.ts";
import type { ResourceRule } from "../rule.ts";

export const DEPLOY_HOOK = "fleet:index:DeployHook";

export const deployHookSigned: ResourceRule = {
  name: "deploy-hook-signed",
  description:
    "A deploy hook wants signed requests, answers for named hosts only, and is reached over TLS or from nowhere but its own host and private networks.",
  remediation:
    "Give the hook secret, hosts, url and listen: a random HMAC secret, the names the forge calls it by, an https URL, a loopback address.",
  whenLoading: "nothing",
  types: [DEPLOY_HOOK],
  judge:
    ({ policies }) =>
    ({ inputs }) => [
      ...inputs.judgeAll([["secret"]], (secret) => secretFindings(secret, policies["deploy-hook-signed"])),
      ...inputs.judgeAll([["hosts"]], hostsFindings),
      ...inputs.judgeAll([["url"]], urlFindings),
      ...inputs.judgeAll([["listen"]], listenFindings),
    ],
};
