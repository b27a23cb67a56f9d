/** The machine a bench ran on, as far as figures depend on it. */
import os from "node:os";

export interface Workplace {
  cores: number;
  cpu: string;
  /** Bytes. */
  memory: number;
  kernel: string;
  node: string;
}

export function workplace(): Workplace {
  const cpus = os.cpus();
  return {
    cores: cpus.length,
    cpu: cpus[0]?.model.trim() ?? "unknown",
    memory: os.totalmem(),
    kernel: os.release(),
    node: process.versions.node,
  };
}
