import { describe, expect, test } from "vitest";

import { KeysError, looksReal, passphraseProblem, resolveKeys } from "../../components/secrets.ts";

const houses = [
  { name: "ezra", keys: ["KIMI_API_KEY", "API_SERVER_KEY"] },
  { name: "allegro", keys: ["KIMI_API_KEY"] },
];
/** Every value below holds this, so that one check finds any of them in an error. */
const CANARY = "canaryvalue";
const complete = { KIMI_API_KEY: `${CANARY} fleet`, API_SERVER_KEY: `${CANARY} server` };

function problemsOf(make: () => unknown): string[] {
  try {
    make();
  } catch (error) {
    if (!(error instanceof KeysError)) throw error;
    expect(error.message).not.toContain(CANARY);
    for (const problem of error.problems) expect(error.message).toContain(problem);
    return error.problems;
  }
  throw new Error("no error was thrown");
}

describe("outside dev", () => {
  test("a fleet-wide key goes to every house that needs it and to no other", () => {
    expect(resolveKeys({ configured: complete, houses, dev: false })).toEqual({
      ezra: complete,
      allegro: { KIMI_API_KEY: complete.KIMI_API_KEY },
    });
  });

  test("a house's own key wins over the fleet's", () => {
    const configured = { ...complete, allegro: { KIMI_API_KEY: "its own" } };
    const keys = resolveKeys({ configured, houses, dev: false });
    expect(keys["allegro"]).toEqual({ KIMI_API_KEY: "its own" });
    expect(keys["ezra"]).toEqual(complete);
  });

  test("own keys of every house make the fleet's superfluous", () => {
    const configured = { allegro: { KIMI_API_KEY: "1" }, ezra: { KIMI_API_KEY: "2", API_SERVER_KEY: "3" } };
    expect(resolveKeys({ configured, houses, dev: false })["ezra"]).toEqual(configured.ezra);
  });

  test("all missing keys are told at once, with the command that sets them", () => {
    expect(problemsOf(() => resolveKeys({ configured: undefined, houses, dev: false }))).toEqual([
      "API_SERVER_KEY is not set, needed by ezra; run: pulumi config set --secret --path 'wizard-houses:keys.API_SERVER_KEY'",
      "KIMI_API_KEY is not set, needed by ezra, allegro; run: pulumi config set --secret --path 'wizard-houses:keys.KIMI_API_KEY'",
    ]);
  });

  test("a key that one house has of its own is missing for the others only", () => {
    const configured = { API_SERVER_KEY: CANARY, allegro: { KIMI_API_KEY: CANARY } };
    const problems = problemsOf(() => resolveKeys({ configured, houses, dev: false }));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("KIMI_API_KEY is not set, needed by ezra;");
  });

  test("keys that no house needs are named", () => {
    const configured = { ...complete, KIMI_API_KEYS: CANARY, allegro: { API_SERVER_KEY: CANARY } };
    const problems = problemsOf(() => resolveKeys({ configured, houses, dev: false }));
    expect(problems.map((problem) => problem.split(" ")[0])).toEqual([
      "KIMI_API_KEYS",
      "allegro.API_SERVER_KEY",
    ]);
  });

  test("a real key is welcome", () => {
    const configured = { ...complete, KIMI_API_KEY: "sk-kimi-0123456789abcdef" };
    expect(resolveKeys({ configured, houses, dev: false })["allegro"]).toEqual({
      KIMI_API_KEY: "sk-kimi-0123456789abcdef",
    });
  });

  test.each([
    ["a text instead of an object", CANARY],
    ["a list", [CANARY]],
    ["an unknown house", { ...complete, elijah: { KIMI_API_KEY: CANARY } }],
    ["a house with a text", { ...complete, ezra: CANARY }],
    ["a number", { ...complete, KIMI_API_KEY: 7 }],
    ["an empty value", { ...complete, KIMI_API_KEY: " " }],
    ["two lines", { ...complete, KIMI_API_KEY: `${CANARY}\nOTHER=1` }],
    ["a lower-case name", { ...complete, kimi_api_key: CANARY }],
  ])("malformed configuration is refused: %s", (_, configured) => {
    expect(problemsOf(() => resolveKeys({ configured, houses, dev: false })).length).toBeGreaterThan(0);
  });

  test("a key pasted where its name belongs is not printed", () => {
    const configured = { ...complete, "sk-canaryvalue0": "KIMI_API_KEY", AKIACANARYVALUE00000: "x" };
    const problems = problemsOf(() => resolveKeys({ configured, houses, dev: false }));
    expect(problems).toHaveLength(2);
    expect(problems.join(" ")).not.toMatch(/canary/i);
  });
});

describe("keys of a certain shape", () => {
  const shaped = [
    { name: "ezra", keys: ["PING", "TOKEN"], shapes: { PING: "url", TOKEN: "token" } as const },
    { name: "allegro", keys: [] },
  ];
  const problems = (PING: string, TOKEN: string) =>
    problemsOf(() => resolveKeys({ configured: { PING, TOKEN }, houses: shaped, dev: false }));

  test("are taken as they are", () => {
    const configured = { PING: "https://ping.example/a?b=c", TOKEN: "0a-B_c.d" };
    expect(resolveKeys({ configured, houses: shaped, dev: false })["ezra"]).toEqual(configured);
  });

  test.each([
    ["ping.example", "x"],
    ["ftp://ping.example", "x"],
    ["https://user:word@ping.example/", "x"],
    ['https://ping.example/"', "x"],
    ["https://ping.example/\\", "x"],
  ])("%s is no URL", (url, token) => {
    expect(problems(`${url}${CANARY}`, token)).toEqual([
      "PING must be a URL with https: or http:, without user, password, quotes and backslashes",
    ]);
  });

  test.each(['"', " ", "$(id)", "é"])("%s stands in no token", (char) => {
    expect(problems("https://ping.example/", CANARY + char + CANARY)).toEqual([
      "TOKEN must be a token of letters, digits, . _ and -",
    ]);
  });

  test("in dev, a URL that is not set leads nowhere", () => {
    const { PING, TOKEN } = resolveKeys({ configured: undefined, houses: shaped, dev: true })["ezra"] ?? {};
    expect(PING).toBe("http://placeholder-for-ping-in-the-dev-stack.invalid/");
    expect(TOKEN).toBe("placeholder-for-TOKEN-in-the-dev-stack");
    expect([looksReal(PING ?? ""), looksReal(TOKEN ?? "")]).toEqual([false, false]);
  });
});

describe("in dev", () => {
  test("a key that is not set becomes a placeholder that says what it is", () => {
    expect(resolveKeys({ configured: undefined, houses, dev: true })["allegro"]).toEqual({
      KIMI_API_KEY: "placeholder-for-KIMI_API_KEY-in-the-dev-stack",
    });
  });

  test("a harmless value is used", () => {
    const configured = { KIMI_API_KEY: "just-for-show" };
    expect(resolveKeys({ configured, houses, dev: true })["allegro"]).toEqual(configured);
  });

  test("a real-looking key is refused, also for one house alone", () => {
    const configured = { KIMI_API_KEY: `sk-${CANARY}`, ezra: { API_SERVER_KEY: `ghp_${CANARY}` } };
    const problems = problemsOf(() => resolveKeys({ configured, houses, dev: true }));
    expect(problems.map((problem) => problem.split(" ")[0])).toEqual(["KIMI_API_KEY", "ezra.API_SERVER_KEY"]);
    expect(problems[0]).toContain("looks like a real key");
  });
});

describe("what looks like a real key", () => {
  test.each([
    "sk-abc",
    "sk-or-v1-abc",
    "sk-kimi-abc",
    "AIzaSyA",
    "xai-abc",
    "ghp_abc",
    "github_pat_abc",
    "hf_abc",
    "gsk_abc",
    "xoxb-1",
    "123456789:AAF3kd93kdLsdkf93kdks93kdkdk30dkd3",
    "eyJhbGciOi.e30.sig",
    "9f86d081884c7d659a2feaa0c55ad015",
    "123e4567-e89b-12d3-a456-426614174000",
    "Zm9vYmFyYmF6cXV4MTIzNDU2",
    " sk-with-blanks ",
  ])("%s does", (value) => {
    expect(looksReal(value)).toBe(true);
  });

  test.each([
    "placeholder-for-KIMI_API_KEY-in-the-dev-stack",
    "placeholder-for-OPENROUTER_API_KEY-in-the-dev-stack",
    "change-me",
    "test",
    "dev-only-not-a-key-2026",
    "a rather long sentence that says this is nothing but an example",
  ])("%s does not", (value) => {
    expect(looksReal(value)).toBe(false);
  });
});

describe("passphrase", () => {
  test("an empty one is refused outside dev", () => {
    expect(passphraseProblem(false, "")).toContain("PULUMI_CONFIG_PASSPHRASE is empty");
  });
  test("dev's may be public, an unset one is another secrets provider's affair, a real one is fine", () => {
    expect(passphraseProblem(true, "")).toBeUndefined();
    expect(passphraseProblem(false, undefined)).toBeUndefined();
    expect(passphraseProblem(false, "correct horse")).toBeUndefined();
  });
});
