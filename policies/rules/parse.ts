/** Parsing a configuration file as the harness does. */
import { parse } from "yaml";

/** The tree, or why there is none. The parser's own message is left out: it quotes the text, which may hold anything. */
export function parseAsHarness(text: string): { value: unknown } | { problem: string } {
  try {
    // YAML 1.1: merge keys are followed, as the harness's reader does.
    return { value: parse(text, { version: "1.1", logLevel: "error" }) };
  } catch {
    return {
      problem:
        "cannot be parsed, so it cannot be judged; the harness would drop it whole and run on its defaults",
    };
  }
}
