import { defineConfig } from "vitest/config";

import { LongestFirst } from "./tests/longest-first.ts";

/**
 * Test files that run at a time where they start engines, forges and machines: more than there are cores, since for most
 * of their time they wait for deadlines, for machines that boot, for cron.
 */
const FILES_AT_A_TIME = 4;

/** After the unit tests, which want the cores. */
const together = { maxWorkers: FILES_AT_A_TIME, sequence: { groupOrder: 1 } };

export default defineConfig({
  test: {
    // A skipped test is a hole in the net: CI fails on one (see .ci/run).
    passWithNoTests: false,
    // By default one core stays idle, which on a machine of two is half of it.
    maxWorkers: "100%",
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["tests/unit/**/*.test.ts"],
          testTimeout: 20_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "engine",
          include: ["tests/engine/**/*.test.ts"],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          ...together,
        },
      },
      {
        test: {
          name: "forge",
          include: ["tests/forge/**/*.test.ts"],
          testTimeout: 240_000,
          // A server may have to be built first.
          hookTimeout: 900_000,
          ...together,
        },
      },
      {
        test: {
          name: "hosts",
          include: ["tests/hosts/**/*.test.ts"],
          globalSetup: "tests/hosts/global-setup.ts",
          testTimeout: 240_000,
          hookTimeout: 900_000,
          ...together,
        },
      },
      {
        test: {
          name: "droplets",
          include: ["tests/droplets/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          ...together,
        },
      },
      {
        test: {
          name: "harness",
          include: ["tests/harness/**/*.test.ts"],
          globalSetup: "tests/harness/global-setup.ts",
          testTimeout: 240_000,
          hookTimeout: 600_000,
          ...together,
        },
      },
    ],
  },
});
