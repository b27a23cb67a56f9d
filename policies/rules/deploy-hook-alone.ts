/** Rule `deploy-hook-alone`: one host brings a stack up, and no agent is near what it holds. */
import type { Finding } from "../../fleet/rules/finding.ts";
import { RELEASE } from "../release.ts";
import type { ResourceRule } from "../rule.ts";
import { DEPLOY_HOOK } from "./deploy-hook-signed.ts";

export const deployHookAlone: ResourceRule = {
  name: "deploy-hook-alone",
  description: "A stack has one deploy hook, and no wizard is on its host.",
  remediation: "Name one host under deployHook in wizards/fleet.yaml, and give wizards other hosts.",
  whenLoading: "the model's part",
  types: [DEPLOY_HOOK, RELEASE],
  judge: () => {
    const hooks = new Map<string, unknown>();
    const houses = new Map<string, unknown>();
    return ({ type, name, inputs }) => {
      const host = inputs.peek(["host", "name"]);
      // What is not known might be any host.
      if (host === undefined) return inputs.judge(["host", "name"], missing);
      (type === RELEASE ? houses : hooks).set(name, host);
      const others = [...hooks.keys()].filter((other) => type === DEPLOY_HOOK && other !== name);
      const tenants = type === DEPLOY_HOOK ? namesOn(houses, host) : [];
      const landlords = type === RELEASE ? namesOn(hooks, host) : [];
      return [
        ...others.map((other) => clash(`is a second hook beside ${other}`, host, "one hook for a stack")),
        ...tenants.map((house) => clash(`has ${house} on it`, host, "a host without wizards")),
        ...landlords.map((hook) => clash(`is the host of ${hook}`, host, "another host than the hook's")),
      ];
    };
  },
};

const namesOn = (known: ReadonlyMap<string, unknown>, host: unknown): string[] =>
  [...known].filter(([, at]) => at === host).map(([name]) => name);

const clash = (message: string, got: unknown, allowed: string): Finding => ({
  ...{ path: ["host", "name"], message, got, allowed },
});

const missing = (host: unknown): Finding[] =>
  host === undefined ? [{ path: [], message: "is missing", allowed: "the name of a host" }] : [];
