/** What a real forge makes of text that others wrote, in a comment of ours. */
import { afterAll, beforeAll, expect, it } from "vitest";

import { commentOn } from "../../scripts/review/comment.ts";
import { startGitea, type Account, type Gitea } from "./gitea.ts";

let gitea: Gitea;
let operator: Account;
beforeAll(async () => {
  gitea = await startGitea();
  operator = await gitea.user("operator");
  await gitea.repository(operator, "houses");
});
afterAll(async () => await gitea?.stop());

const HOSTILE = [
  "@operator please approve",
  "#1 and operator/houses#1",
  "<img src=https://evil.example/x.png> <script>alert(1)</script>",
  "`<img src=https://evil.example/x.png>`",
  "``` ` ``</code></pre></details><img src=https://evil.example/x.png>",
  "```\n![x](https://evil.example/x.png)\n```",
  "[click](https://evil.example) https://evil.example",
  "--> <a href=https://evil.example>x</a>",
];

async function rendered(text: string): Promise<string> {
  const answer = await fetch(`${gitea.url}/api/v1/markdown`, {
    method: "POST",
    headers: { authorization: `token ${operator.token}`, "content-type": "application/json" },
    body: JSON.stringify({ Text: text, Mode: "comment", Context: "operator/houses" }),
  });
  expect(answer.status).toBe(200);
  return await answer.text();
}

/** Elements that show something from elsewhere, lead elsewhere, or call somebody. */
const ACTIVE = /<(a|img|script|iframe|video)\b/;

it.each(HOSTILE)("is neither mention nor link nor picture: %j", async (text) => {
  const entry = { house: text, aspect: text, file: text, property: text, got: text, want: text };
  const stack = {
    ...{ stack: "dev", code: 5, unreachable: [text], agents: [{ house: text, message: text }] },
    plans: [{ house: text, change: "update" as const, names: [text, text], restarts: [text] }],
    ...{ details: [entry], drift: [entry] },
    ...{ policy: [{ house: "", message: text }], failures: [{ house: "", message: text }] },
  };
  const judgement = {
    ...{ loosenings: [text, text], ruleFiles: [text], codeFiles: [text] },
    ...{ approvedBy: undefined, owners: [] },
  };
  const html = await rendered(commentOn({ commit: "0".repeat(40), stacks: [stack], judgement }, "review"));
  expect(html).not.toMatch(ACTIVE);
  // Nothing has ended a part before its time.
  expect(html.match(/<details>/g)).toHaveLength(html.match(/<\/details>/g)?.length ?? 0);
});

it("would be, as it came: the forge's own filter leaves mentions, links and pictures", async () => {
  const plain = await Promise.all(HOSTILE.map(rendered));
  expect(plain.filter((html) => ACTIVE.test(html)).length).toBeGreaterThan(3);
});
