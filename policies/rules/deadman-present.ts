/** Rule `deadman-present`: somebody notices when a house falls silent. */
import type { Finding } from "../../fleet/rules/finding.ts";
import { deadmanFindings } from "../../fleet/rules/watch.ts";
import type { Inputs } from "../inputs.ts";
import { inFile, RELEASE } from "../release.ts";
import type { ResourceRule } from "../rule.ts";

const SCRIPT = "deadman/deadman.sh";
const CONF = "deadman/deadman.conf";

export const deadmanPresent: ResourceRule = {
  name: "deadman-present",
  description:
    "Every gateway has a deadman switch that runs every minute as root, with a sane grace and an end to its restarts.",
  remediation:
    "Keep the DeadmanSwitch part of the house, and set deadman in its house.yaml within the limits.",
  whenLoading: "the model's part",
  types: [RELEASE],
  judge:
    ({ policies }) =>
    ({ inputs }) => [
      ...inFile(inputs, SCRIPT, () => []),
      ...inFile(inputs, CONF, (text) =>
        deadmanFindings(
          {
            grace: setting(text, "GRACE"),
            maxRetries: setting(text, "MAX_RETRIES"),
            window: setting(text, "WINDOW"),
          },
          policies["deadman-present"],
        ),
      ),
      ...runFindings(inputs),
    ],
};

function setting(conf: string, name: string): number {
  const value = conf
    .split("\n")
    .findLast((line) => line.startsWith(`${name}=`))
    ?.slice(name.length + 1);
  return value === undefined || !/^\d+$/.test(value) ? NaN : Number(value);
}

/** An entry of cron that runs the script with its settings, as root, every minute. */
function runFindings(inputs: Inputs): Finding[] {
  let runs = false;
  const unknown = inputs.judge(["house"], (house) =>
    inputs.each(["cron"], (file) =>
      inputs.judge(["cron", file, "entries"], (entries) => {
        runs ||= (Array.isArray(entries) ? (entries as Record<string, unknown>[]) : []).some(
          ({ schedule, user, command }) =>
            schedule === "* * * * *" &&
            user === "root" &&
            Array.isArray(command) &&
            command.includes(`${String(house)}/current/${SCRIPT}`) &&
            command.includes(`${String(house)}/current/${CONF}`),
        );
        return [];
      }),
    ),
  );
  if (runs || unknown.length > 0) return unknown;
  return [
    {
      path: ["cron"],
      message: "does not run the deadman switch",
      allowed: `an entry for ${SCRIPT}, every minute, as root`,
    },
  ];
}
