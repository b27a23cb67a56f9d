#!/usr/bin/env node
/**
 * The entry of every npm script: `node scripts/run.mjs <command> [arguments]`.
 *
 * Plain JavaScript without dependencies, because it runs on a fresh clone: it checks Node's version, installs the
 * packages when they do not match package-lock.json, then hands over to `scripts/<command>.ts` in this process.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { ensurePackages, olderThan } from "./install.mjs";

const COMMANDS = [
  "up",
  "preview",
  "drift",
  "destroy",
  "retire",
  "backup",
  "restore",
  "drain",
  "deadman",
  "rejected",
  "revoke",
  "review",
  "judge",
  "prod-preview",
  "drift-issues",
  "observer",
  "harness-lock",
  "test",
  "test-droplets",
  "check",
  "bench",
  "chaos",
  "testbed",
  "converge",
  "minimum",
  "test-hook",
  "pulumi",
];

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const [command, ...args] = process.argv.slice(2);

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

if (!COMMANDS.includes(command ?? "")) fail(`usage: node scripts/run.mjs ${COMMANDS.join("|")} [arguments]`);

const minimum = JSON.parse(readFileSync(path.join(root, "toolchain", "versions.json"), "utf8")).node;
if (olderThan(process.versions.node, minimum)) {
  fail(`Node.js ${minimum} or newer is needed, this is ${process.versions.node}: install a newer one`);
}

process.chdir(root);
try {
  await ensurePackages(root, (line) => process.stderr.write(`${line}\n`));
} catch (error) {
  fail(error.message);
}

const { load } = await import("../toolchain/load.mjs");
const { main } = await load(`scripts/${command}.ts`);
process.exitCode = await main(args);
