/** Rule `file-modes`: root owns what an agent runs on, others see none of it, nothing is writable by everybody. */
import {
  directoryFindings,
  hostFileFindings,
  type Ownership,
  releaseFileFindings,
} from "../../fleet/rules/file-modes.ts";
import type { Finding } from "../../fleet/rules/finding.ts";
import type { Inputs } from "../inputs.ts";
import { RELEASE } from "../release.ts";
import type { ResourceRule } from "../rule.ts";

const FILES = "host:index:Files";

export const fileModes: ResourceRule = {
  name: "file-modes",
  description:
    "Root owns a release, a house's group may read it and others see nothing; only home and log belong to the agent; nothing is writable by everybody.",
  remediation:
    "Use mode 0640 (0600 or 0700 for root alone), owner root and the house's group; 0750 or 0700 for folders.",
  whenLoading: "nothing",
  types: [RELEASE, FILES],
  judge:
    ({ policies }) =>
    ({ type, inputs }) => {
      if (type === FILES) {
        const defaults = { mode: "0644", owner: "root", group: "root" };
        return owned(inputs, "files", defaults, (file, path) =>
          hostFileFindings(path, file, policies["file-modes"]),
        );
      }
      return inputs.judgeAll([["group"]], (group) => {
        const house = String(group);
        const file = { mode: "0640", owner: "root", group: house };
        const folder = { mode: "0750", owner: "root", group: house };
        return [
          ...owned(inputs, "files", file, (found) => releaseFileFindings(found, house)),
          ...owned(inputs, "directories", folder, (found, path) => directoryFindings(path, found, house)),
        ];
      });
    },
};

/** Judges mode, owner and group of each entry, with the provider's defaults for what is left out. */
function owned(
  inputs: Inputs,
  part: string,
  defaults: Ownership,
  judge: (found: Ownership, path: string) => Finding[],
): Finding[] {
  return inputs.each([part], (path) =>
    inputs.judgeAll(
      [
        [part, path, "mode"],
        [part, path, "owner"],
        [part, path, "group"],
      ],
      (mode, owner, group) =>
        judge(
          {
            mode: String(mode ?? defaults.mode),
            owner: String(owner ?? defaults.owner),
            group: String(group ?? defaults.group),
          },
          path,
        ).map((finding) => ({ ...finding, path: [part, path, ...finding.path] })),
    ),
  );
}
