/** Rule `request-log-present`: what a wizard asked of which model can be looked up, and the disk holds it. */
import type { Finding } from "../../fleet/rules/finding.ts";
import { requestLogFindings } from "../../fleet/rules/watch.ts";
import { inFile, RELEASE } from "../release.ts";
import type { ResourceRule } from "../rule.ts";

const SCRIPT = "request-log/request-log.py";

export const requestLogPresent: ResourceRule = {
  name: "request-log-present",
  description:
    "Every gateway has a log of its requests, written outside the agent's sandbox and bounded in size.",
  remediation:
    "Keep the RequestLog part of the house, and set requestLog in its house.yaml within the limit.",
  whenLoading: "the model's part",
  types: [RELEASE],
  judge:
    ({ policies }) =>
    ({ inputs }) => {
      const findings: Finding[] = [...inFile(inputs, SCRIPT, () => [])];
      let runs = false;
      const found = inputs.judge(["house"], (house) =>
        inputs.each(["cron"], (file) =>
          inputs.judge(["cron", file, "entries"], (entries) =>
            (Array.isArray(entries) ? (entries as { command?: unknown }[]) : []).flatMap(
              ({ command }): Finding[] => {
                const words = Array.isArray(command) ? command.map(String) : [];
                if (!words.includes(`${String(house)}/current/${SCRIPT}`)) return [];
                runs = true;
                const option = (name: string) => Number(words[words.indexOf(name) + 1] ?? NaN);
                const bounds = { maxBytes: option("--max-bytes"), keep: option("--keep") };
                return [
                  ...requestLogFindings(bounds, policies["request-log-present"]),
                  ...(words.includes(`${String(house)}/log`)
                    ? []
                    : [{ path: [], message: "writes elsewhere", allowed: "the house's folder log" }]),
                ];
              },
            ),
          ),
        ),
      );
      findings.push(...found);
      if (!runs && found.length === 0) {
        findings.push({
          path: ["cron"],
          message: "does not write the request log",
          allowed: `an entry for ${SCRIPT}`,
        });
      }
      return findings;
    },
};
