/** Mutants that no case notices, and why that is right. A survivor that is not listed makes the run fail. */

interface Explained {
  file: string;
  /** Parts of what was written and of what took its place. */
  was: string;
  becomes: string;
  why: string;
}

const NEVER = "stands behind ?? for a group or an item that is always there; the compiler wants it";
const GREEDY = "what stands before the anchor takes everything up to the end anyway";
const REMEMBERED = "the result is the same without what is remembered, only slower";

export const EXPLAINED: readonly Explained[] = [
  { file: "fleet/rules/banned-names.ts", was: "x20-", becomes: "if (false)", why: "a quick way to the same" },
  {
    file: "fleet/rules/banned-names.ts",
    was: String.raw`/^[a-z][a-z0-9+.-]*:\/\//`,
    becomes: String.raw`/[a-z][a-z0-9+.-]*:\/\//`,
    why: "what stands before a scheme further back is looked at as a part of the path too",
  },
  { file: "fleet/rules/words.ts", was: '""', becomes: '"mutant"', why: NEVER },
  { file: "fleet/rules/words.ts", was: 'word ?? ""', becomes: "(word)", why: "appending makes text of it" },
  { file: "fleet/rules/words.ts", was: "(.*)$/", becomes: "(.*)/", why: GREEDY },
  { file: "fleet/rules/banned-names.ts", was: '""', becomes: '"mutant"', why: NEVER },
  {
    file: "fleet/rules/banned-names.ts",
    was: "/^[a-z][a-z0-9+.-]*:/",
    becomes: "/[a-z][a-z0-9+.-]*:/",
    why: "what it is used on always begins with a scheme",
  },
  {
    file: "fleet/rules/banned-names.ts",
    was: "expression === undefined",
    becomes: "if (true)",
    why: REMEMBERED,
  },
  { file: "fleet/rules/banned-names.ts", was: "compiled.set", becomes: "{}", why: REMEMBERED },
  { file: "fleet/banned.ts", was: '""', becomes: '"mutant"', why: NEVER },
  { file: "fleet/banned.ts", was: "defaults.set", becomes: "{}", why: REMEMBERED },
  {
    file: "fleet/banned.ts",
    was: 'typeof step === "string") ?? ""',
    becomes: "findLast",
    why: "the top of a tree stands under no key, and no place is called undefined",
  },
  { file: "fleet/banned.ts", was: "(.*)$/s", becomes: "(.*)/s", why: GREEDY },
];
