/** Rendering `.env`: one text that the harness's two readers, python-dotenv and its own parser, read alike. */

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** A name and `=` inside a value: the harness takes such a line for two that lost their newline and splits it. */
const EMBEDDED_ASSIGNMENT = /[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+=/;

/**
 * `KEY=value` lines, sorted by name, without quotes: one reader does not understand escapes, the other expands
 * `${…}` and cuts comments off, so what they would read differently is refused. Throws naming every variable that
 * cannot be written and why; values appear in no message.
 */
export function renderEnvFile(values: Record<string, string>): string {
  const entries = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  const faults = entries.flatMap(([name, value]) => {
    const fault = NAME.test(name) ? valueFault(value) : "is no name of a variable (letters, digits and _)";
    return fault === undefined ? [] : [`${JSON.stringify(name)} ${fault}`];
  });
  if (faults.length > 0) throw new Error(`These variables cannot be written to .env: ${faults.join("; ")}`);
  return entries.map(([name, value]) => `${name}=${value}\n`).join("");
}

function valueFault(value: string): string | undefined {
  if (/[^\x20-\x7e]/.test(value)) return "holds a newline or a character that is not printable ASCII";
  if (value !== value.trim()) return "begins or ends with a blank";
  if (/^["']|["']$/.test(value)) return "begins or ends with a quote";
  if (/\s#/.test(value)) return "holds a blank followed by #, which starts a comment";
  if (value.includes("${")) return "holds ${, which would be expanded";
  if (/^\*+$/.test(value)) return "is all asterisks, which the harness takes for a placeholder and drops";
  if (EMBEDDED_ASSIGNMENT.test(value)) return "holds what looks like a second NAME=value";
  return undefined;
}
