/** Rule `unit-hardened`: what runs for an agent runs in a sandbox, and what runs as root runs root's own scripts. */
import { hostUnitFindings, houseUnitFindings } from "../../fleet/rules/unit-hardened.ts";
import { inUnits, RELEASE } from "../release.ts";
import type { ResourceRule } from "../rule.ts";

const UNIT = "host:index:Unit";

export const unitHardened: ResourceRule = {
  name: "unit-hardened",
  description:
    "Units run as an account of their own in a full sandbox, with no more opened than house.yaml can open; as root a house runs only what its agent cannot write, and once.",
  remediation: "Keep the directives of the gateway's unit; open what tools need under sandbox in house.yaml.",
  whenLoading: "nothing",
  types: [RELEASE, UNIT],
  judge:
    ({ policies }) =>
    ({ type, inputs }) =>
      type === UNIT
        ? inputs.judge(["content"], (text) => hostUnitFindings(String(text ?? ""), policies["unit-hardened"]))
        : inputs.judgeAll([["house"], ["group"]], (path, user) =>
            inUnits(inputs, (text) => houseUnitFindings(text, { path: String(path), user: String(user) })),
          ),
};
