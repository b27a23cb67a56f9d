/**
 * Requests that belong together. The engine sends the reads of a refresh one after another, for all hosts mixed, and
 * tells nobody which is the last; so a burst is taken to be over when none has come for a moment.
 */

/** Milliseconds without a request after which a burst is over. */
const QUIET = 8;
/** Milliseconds after which requests are answered although more keep coming. */
const LIMIT = 1500;

/** Returns a function to call at each request; its promise resolves when the burst the request is part of is over. */
export function bursts(): () => Promise<void> {
  let waiting: (() => void)[] = [];
  let quiet: NodeJS.Timeout | undefined;
  let limit: NodeJS.Timeout | undefined;
  const over = (): void => {
    clearTimeout(quiet);
    clearTimeout(limit);
    limit = undefined;
    const released = waiting;
    waiting = [];
    for (const release of released) release();
  };
  return () => {
    clearTimeout(quiet);
    quiet = setTimeout(over, QUIET);
    limit ??= setTimeout(over, LIMIT);
    return new Promise((resolve) => waiting.push(resolve));
  };
}
