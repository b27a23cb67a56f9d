/** What an operator can do about what a script on a host said. Pure. */

const ADVICE: [RegExp, string][] = [
  [/No space left on device/, "the disk there is full: see df -h, and df -i for the number of files"],
  [/Disk quota exceeded/, "the disk quota there is used up: see quota -s"],
  [
    /Read-only file system/,
    "the file system there is mounted read-only, often after an error of the disk: see dmesg and findmnt",
  ],
];

/** The words with advice behind them, where there is some. */
export function explained(words: string): string {
  const advice = ADVICE.filter(([pattern]) => pattern.test(words)).map(([, text]) => text);
  return advice.length === 0 ? words : `${words} (${advice.join("; ")})`;
}
