import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { CannotLook, ChangeFailed } from "../../provider/errors.ts";
import { ActFailed, graver, told } from "../../scripts/house-session.ts";

it.each([
  [[], 0],
  [[0, 0], 0],
  [[0, 4, 0], 4],
  [[0, 1, 0], 1],
  [[4, 1], 1],
  [[1, 4, 0], 1],
])("houses that end with %j make the command end with %i", (codes, whole) => {
  expect(codes.reduce(graver, 0)).toBe(whole);
});

let words: string;
beforeEach(() => {
  words = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    words += String(text);
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

it.each([
  [1, new ActFailed("it is not well")],
  [1, new ChangeFailed("host forge: it is not well", "reverted")],
  [4, new CannotLook("it cannot be reached")],
])(
  "an act that fails ends with %i, and tells no key that the host had in its journal",
  async (code, error) => {
    const { message } = error;
    error.message += "\n  401 for sk-0123456789abcdef";
    expect(await told("ezra", () => Promise.reject(error))).toBe(code);
    expect(words).toBe(`ezra: ${message}\n  401 for (hidden)\n`);
  },
);
