/** Pure: the engine's messages made fit to be shown, and those among them that say nothing new. */

/** Messages by which the engine reports once more what it has reported, or what follows from it. */
const FOLLOW_UPS = [
  /registration isn't pending/,
  /^(update|preview|destroy|refresh) (failed|canceled)$/,
  /^resource monitor shut down/,
  /^one or more (operations|resource)/i,
];

/** @param message may be as it came, or tidy */
export function isFollowUp(message: string): boolean {
  const text = tidy(message);
  return FOLLOW_UPS.some((pattern) => pattern.test(text));
}

/** Takes the engine's colour marks and surrounding blanks off a message. */
export function tidy(message: string): string {
  return escapeText(message.replace(/<\{%[^%]*%\}>/g, "").replace(/\r/g, "")).trim();
}

/** Makes text from a host harmless on a terminal. */
export function escapeText(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The lines that are not blank, without the blanks around them. */
export const lines = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

/** `1 house`, `2 houses`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
