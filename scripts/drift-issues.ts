/**
 * `npm run drift-issues -- <file>`: opens an issue for each house that has drifted, keeps it up to date and closes it
 * when the house is clean. The file is what `npm run drift -- --json` has printed.
 */
import { readFileSync } from "node:fs";

import * as z from "zod";

import { UsageError } from "./arguments.ts";
import { forgeFrom } from "./forge/access.ts";
import { ForgeError } from "./forge/client.ts";
import { driftFindings, houseOfIssue, issueActs, type DriftFindings } from "./forge/drift-issues.ts";
import { hostAddresses, withoutConnections } from "./review/redact.ts";
import { say } from "./session.ts";
import { ROOT } from "./stack.ts";

export async function main(args: readonly string[]): Promise<number> {
  try {
    const findings = withoutConnections(readFindings(args), hostAddresses(ROOT));
    const forge = forgeFrom(process.env);
    const own = await forge.ownNames();
    const open = (await forge.openIssues())
      .filter(({ user }) => own.has(user.login))
      .map(({ number, body }) => ({ number, body: body ?? "" }));
    const acts = issueActs(findings, open);
    for (const act of acts) {
      if (act.do === "open") await forge.openIssue(act.title, act.body);
      else if (act.do === "change") await forge.changeIssue(act.number, { body: act.body });
      else await forge.changeIssue(act.number, { state: "closed" });
      say(act.do === "open" ? `opened "${act.title}"` : `${act.do}d #${act.number}`);
    }
    if (acts.length === 0)
      say(`nothing to tell; open: ${open.filter(({ body }) => houseOfIssue(body) !== undefined).length}`);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof ForgeError)) throw error;
    say(error.message);
    return 1;
  }
}

function readFindings(args: readonly string[]): DriftFindings {
  const [file] = args;
  if (file === undefined || args.length > 1)
    throw new UsageError(
      `got ${args.length} arguments; allowed: the file that npm run drift -- --json has written`,
    );
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  }
  let findings: unknown;
  try {
    findings = JSON.parse(text);
  } catch {
    // A drift that failed before it looked at anything prints no document, and says why by itself.
    throw new UsageError(`${file} holds no JSON: npm run drift did not come to an end`);
  }
  const read = driftFindings.safeParse(findings);
  if (!read.success)
    throw new UsageError(
      `${file} is not what npm run drift -- --json writes: ${z.prettifyError(read.error)}`,
    );
  return read.data;
}
