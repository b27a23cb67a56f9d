/**
 * In which order test files start. Vitest would go project by project, and in `hosts`, the last one, by the size of the
 * files; what takes longest would end alone, long after all others.
 */
import path from "node:path";

import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * What takes minutes, the longest first, as of 2026-11 on two cores. Who comes first of those with machines may have to make
 * their image; beside it is time for what needs none. A name that is missing here costs time and nothing else.
 */
const LONG = [
  ...["hosts/bench", "engine/interruption", "engine/secrets", "forge/judge"],
  ...["hosts/harness-install", "droplets/life", "hosts/fleet", "hosts/deploy-hook", "hosts/hostile"],
  ...["hosts/dead-hosts", "hosts/restore-cut", "hosts/interrupted-network", "hosts/moving"],
  ...["hosts/by-the-clock", "hosts/activation", "hosts/gateway", "hosts/backup", "hosts/interrupted-laptop"],
  ...["engine/commands", "hosts/packages", "hosts/interrupted-power", "engine/dead-host"],
  ...["harness/harness", "hosts/chaos", "engine/drift", "hosts/deadman"],
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const name = path.relative(import.meta.dirname, moduleId).replace(/\.test\.ts$/, "");
      return LONG.includes(name) ? LONG.indexOf(name) : LONG.length;
    };
    const order = ({ project }: TestSpecification): number => project.config.sequence.groupOrder;
    // What this leaves equal stays as it is by Vitest's own order.
    return (await super.sort(files)).sort((a, b) => order(a) - order(b) || place(a) - place(b));
  }
}
