/** Splits a command's arguments into ours and the engine's. */

export interface CommandArguments {
  /** Default `dev`. */
  stack: string;
  /** `--recover`: clear up after a dead engine without asking. Never passed on. */
  recover: boolean;
  /** Everything else, in order, for the engine. */
  rest: string[];
}

export const DEFAULT_STACK = "dev";

/** What names the stack in a command for the operator: empty for the one that needs no naming, else ` -s prod`. */
export const stackOption = (stack: string): string => (stack === DEFAULT_STACK ? "" : ` -s ${stack}`);

/** Reads `-s name`, `-sname`, `--stack name`, `--stack=name` and `--recover`. Throws when the stack's name is missing. */
export function parseArguments(args: readonly string[]): CommandArguments {
  const parsed: CommandArguments = { stack: DEFAULT_STACK, recover: false, rest: [] };
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] ?? "";
    if (argument === "--recover") {
      parsed.recover = true;
    } else if (argument === "-s" || argument === "--stack") {
      at += 1;
      parsed.stack = stackName(args[at], argument);
    } else if (argument.startsWith("--stack=")) {
      parsed.stack = stackName(argument.slice("--stack=".length), "--stack");
    } else if (/^-s[^-]/.test(argument)) {
      parsed.stack = stackName(argument.slice(2).replace(/^=/, ""), "-s");
    } else {
      parsed.rest.push(argument);
    }
  }
  return parsed;
}

function stackName(value: string | undefined, option: string): string {
  if (value !== undefined && /^\w[\w.-]*(\/\w[\w.-]*)*$/.test(value)) return value;
  throw new UsageError(
    `${option} needs a stack's name, got ${value === undefined ? "nothing" : JSON.stringify(value)}; ` +
      `allowed are letters, digits, "_", "." and "-", for example -s prod`,
  );
}

/** The command was called in a way it cannot be; the message says what is wrong and what is allowed. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Whether one of the options is among the engine's arguments, also as `--option=value`. */
export function hasOption(args: readonly string[], ...names: string[]): boolean {
  return args.some((argument) => names.some((name) => argument === name || argument.startsWith(`${name}=`)));
}
