/** Questions to the operator. */
import { createInterface } from "node:readline/promises";

/** Whether there is somebody to answer. */
export const onTerminal = (): boolean => process.stdin.isTTY === true;

/** Asks on the terminal; without one the answer is no. */
export async function agreed(question: string): Promise<boolean> {
  if (!onTerminal()) return false;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim());
  } finally {
    prompt.close();
  }
}
