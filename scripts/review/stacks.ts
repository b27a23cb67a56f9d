/**
 * Previews a change against what it would meet: the base branch's own houses are brought up first, in folders of a
 * temporary place, so that the preview tells what differs and not that all is new. No host, no login and no key of the
 * operator's is involved.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { parse, stringify } from "yaml";

import { preventLog } from "../engine-home.ts";
import { runOperation, runQuietly, type EngineCall } from "../engine-run.ts";
import type { EngineEvent } from "../events.ts";
import { findingsOf } from "../findings.ts";
import { PROJECT, engineEnvironment } from "../stack.ts";
import { DEFAULT_STACK } from "../arguments.ts";
import { stackReview, type StackReview } from "./plan.ts";

/** Stacks that need nothing but this machine. */
export const LOCAL_STACKS = ["dev", "fixture"] as const;

export interface Checkouts {
  /** Of the base branch: its houses are what is, and its policy pack judges too. */
  base: string;
  /** With the change. */
  head: string;
}

/** The base branch's own houses do not come up, so there is nothing to compare with. */
export class BaseFailed extends Error {
  override name = "BaseFailed";
}

/** Reviews each of {@link LOCAL_STACKS} that the change has. */
export async function reviewStacks(engine: string, checkouts: Checkouts): Promise<StackReview[]> {
  // Together: one waits for its provider while the other computes.
  return await Promise.all(
    LOCAL_STACKS.map(async (stack) => {
      const place = mkdtempSync(path.join(os.tmpdir(), "review-"));
      try {
        return await reviewStack({ engine, stack, env: environment(place) }, checkouts, place);
      } finally {
        rmSync(place, { recursive: true, force: true });
      }
    }),
  );
}

/** As for dev, with a place of its own for all that is written. */
function environment(place: string): NodeJS.ProcessEnv {
  const home = path.join(place, "pulumi");
  const state = path.join(place, "state");
  for (const folder of [home, state]) mkdirSync(folder);
  preventLog(home);
  return {
    ...engineEnvironment(DEFAULT_STACK, process.env),
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_HOME: home,
    PULUMI_CREDENTIALS_PATH: home,
  };
}

async function reviewStack(call: EngineCall, { base, head }: Checkouts, place: string): Promise<StackReview> {
  const { stack } = call;
  const at = (checkout: string): EngineCall => ({ ...call, checkout });
  const settings = (checkout: string, name: string): string[] => {
    const file = path.join(place, `${name}.yaml`);
    writeFileSync(
      file,
      onHostsOf(readFileSync(stackFile(checkout, stack), "utf8"), path.join(place, "hosts")),
    );
    return ["--stack", stack, "--config-file", file, "--non-interactive", "--color=never"];
  };
  if ((await runQuietly(at(head), ["stack", "init", stack, "--no-select"])) !== 0)
    throw new BaseFailed(`no stack ${stack} can be made for the review, see above`);
  // A stack that the change brings has nothing it could be compared with.
  if (existsSync(stackFile(base, stack))) {
    const { code, events, said } = await quietly(at(base), [
      "up",
      "--yes",
      "--skip-preview",
      ...settings(base, "base"),
    ]);
    if (code !== 0)
      throw new BaseFailed(`the base branch's stack ${stack} does not come up:\n${whyOf(events, said)}`);
  }
  const packs = [head, base].flatMap((checkout) => ["--policy-pack", path.join(checkout, "policies")]);
  const { code, events, said } = await quietly(at(head), ["preview", ...packs, ...settings(head, "head")]);
  const review = stackReview(stack, events);
  if (code === 0 || review.code !== 0) return review;
  // An engine that failed before it had anything to report says why on stderr.
  return {
    ...review,
    code: 1,
    failures: [{ house: "", message: said.trim() || `the engine ended with code ${code}` }],
  };
}

const stackFile = (checkout: string, stack: string): string => path.join(checkout, `Pulumi.${stack}.yaml`);

/** The stack's settings with its hosts' folders elsewhere: both checkouts look at the same. */
function onHostsOf(text: string, hosts: string): string {
  const settings = parse(text) as { config?: Record<string, unknown> };
  return stringify({ ...settings, config: { ...settings.config, [`${PROJECT}:root`]: hosts } });
}

async function quietly(
  call: EngineCall,
  args: readonly string[],
): Promise<{ code: number; events: EngineEvent[]; said: string }> {
  let said = "";
  const { code, events } = await runOperation(call, args, { onStderr: (text) => (said += text) });
  return { code, events, said };
}

function whyOf(events: readonly EngineEvent[], said: string): string {
  const { failures, policy, unreachable } = findingsOf(events);
  const told = [...failures, ...policy].map(({ house, message }) => `${house}: ${message}`);
  const all = [...told, ...unreachable.map(({ house, reason }) => `${house}: ${reason}`)];
  return all.length === 0 ? said.trim() : all.join("\n");
}
