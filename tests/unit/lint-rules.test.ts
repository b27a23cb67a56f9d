/** The lint rules that keep outputs and promises from being lost must really fire. */
import path from "node:path";

import { ESLint } from "eslint";
import { describe, expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "..", "..");

async function rulesBroken(text: string): Promise<(string | null)[]> {
  const eslint = new ESLint({ cwd: ROOT });
  const [result] = await eslint.lintText(text, { filePath: path.join(ROOT, "index.ts") });
  return result!.messages.map(({ ruleId }) => ruleId);
}

/** Milliseconds: the first rule that knows types makes the linter read the whole project. */
const SLOW = 120_000;

describe("lint", () => {
  it.each([
    [
      "@pulumi/no-output-in-template-literal",
      'import * as pulumi from "@pulumi/pulumi";\nconst o = pulumi.output("x");\nexport const bad = `a ${o}`;\n',
    ],
    ["@typescript-eslint/no-floating-promises", "export function f(): void {\n  Promise.resolve(1);\n}\n"],
    [
      "@typescript-eslint/no-misused-promises",
      "export function f(): void {\n  [1].forEach(async () => {});\n}\n",
    ],
  ])("%s", async (rule, text) => expect(await rulesBroken(text)).toContain(rule), SLOW);

  it(
    "has nothing to say about text that is right",
    async () => {
      expect(await rulesBroken("export const fine = 1;\n")).toEqual([]);
    },
    SLOW,
  );
});
