import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // A skipped test is a hole in the net: CI fails on one (see .ci/run).
    passWithNoTests: false,
    // By default one core stays idle, which on a machine of two is half of it.
    maxWorkers: "100%",
    projects: [
      { test: { name: "unit", include: ["tests/unit/**/*.test.ts"], testTimeout: 20_000 } },
      {
        test: {
          name: "engine",
          include: ["tests/engine/**/*.test.ts"],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          // Each file starts whole engines; two cores serve them best one file at a time.
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "hosts",
          include: ["tests/hosts/**/*.test.ts"],
          globalSetup: "tests/hosts/global-setup.ts",
          testTimeout: 240_000,
          hookTimeout: 900_000,
          // All files use the same machines, as newly made for each.
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "harness",
          include: ["tests/harness/**/*.test.ts"],
          testTimeout: 240_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
