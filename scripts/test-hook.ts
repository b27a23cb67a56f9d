/**
 * `npm run test:hook -- --json <file>`: the deploy hook on the test bed, from a merge on a real forge to gateways that are well,
 * and every attack on it. The file gets `{mergeToMutation, mergeToConfirmed, attacks: {passed, failed}}`, times in seconds.
 * With `--sabotage hmac` the hook asks for no signature: the proof that the attacks find that out, so this must fail.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { UsageError } from "./arguments.ts";
import { readWords } from "./options.ts";
import { say } from "./session.ts";
import { HOOK_TESTS, main as test } from "./test.ts";

/** What vitest's JSON reporter writes, as far as it is read here. */
interface Results {
  testResults: { assertionResults: { ancestorTitles: string[]; status: string }[] }[];
}

export interface HookResult {
  /** Seconds from the forge's merge to the first change on a host, on a control house that is warm. */
  mergeToMutation: number;
  /** The same to the last house that was confirmed. */
  mergeToConfirmed: number;
  attacks: { passed: number; failed: number };
}

export async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = readOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    say(error.message);
    return 1;
  }
  const folder = mkdtempSync(path.join(os.tmpdir(), "test-hook-"));
  try {
    const [results, figures] = ["results.json", "figures.json"].map((name) => path.join(folder, name)) as [
      string,
      string,
    ];
    process.env["DEPLOY_HOOK_FIGURES"] = figures;
    if (options.sabotage !== undefined) process.env["DEPLOY_HOOK_SABOTAGE"] = options.sabotage;
    const reporters = ["--reporter=verbose", "--reporter=json", `--outputFile.json=${results}`];
    const code = await test(["--project", "hosts", HOOK_TESTS, ...reporters]);
    const result = hookResult(read(results) as Results, read(figures) as Record<string, number>);
    say(JSON.stringify(result));
    if (options.file !== undefined) writeFileSync(options.file, `${JSON.stringify(result)}\n`);
    return code;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const read = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"));

/** An attack that was not tried has not failed to do harm: it counts as failed. */
export function hookResult({ testResults }: Results, figures: Readonly<Record<string, number>>): HookResult {
  const attacks = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ ancestorTitles }) => ancestorTitles.includes("attack"));
  const passed = attacks.filter(({ status }) => status === "passed").length;
  const { mergeToMutation, mergeToConfirmed } = figures;
  if (mergeToMutation === undefined || mergeToConfirmed === undefined || attacks.length === 0)
    throw new Error("no merge was measured, or no attack tried: see what the tests said");
  return { mergeToMutation, mergeToConfirmed, attacks: { passed, failed: attacks.length - passed } };
}

const USAGE = "usage: npm run test:hook [-- [--json <file>] [--sabotage hmac]]";

interface Options {
  /** Where the result goes. */
  file?: string;
  sabotage?: "hmac";
}

function readOptions(args: readonly string[]): Options {
  const { names, options } = readWords(args, { "--json": true, "--sabotage": true }, USAGE, "test:hook");
  const { "--json": file, "--sabotage": sabotage } = options;
  if (names.length > 0 || (sabotage !== undefined && sabotage !== "hmac")) throw new UsageError(USAGE);
  return { ...(file !== undefined && { file: path.resolve(file) }), ...(sabotage && { sabotage }) };
}
