/**
 * Peak memory of a command: the sum of the proportional set sizes of all its processes (PSS: pages that several
 * processes share are counted in shares), sampled every 50 ms. Sampling costs time, so a run that is sampled is not
 * timed.
 */
import { procText, watch } from "./processes.ts";
import { run, type Command, type Outcome } from "./process.ts";

const INTERVAL = 50;

export async function runSampled(command: Command): Promise<{ outcome: Outcome; peak: number }> {
  const { env, living } = watch();
  let peak = 0;
  const timer = setInterval(() => {
    const sum = living().reduce((total, pid) => total + proportionalSize(pid), 0);
    peak = Math.max(peak, sum);
  }, INTERVAL);
  try {
    const outcome = await run({ ...command, env: { ...command.env, ...env } });
    return { outcome, peak };
  } finally {
    clearInterval(timer);
  }
}

/** Bytes. */
function proportionalSize(pid: string): number {
  const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(procText(pid, "smaps_rollup"))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}
