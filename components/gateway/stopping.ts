/** How long a house's gateway may take to stop. Pure. */

/** `agent.restart_drain_timeout` of the effective configuration, seconds; 0, the harness's own default, where unset. */
export function drainTimeout(config: Record<string, unknown>): number {
  const agent = config["agent"];
  if (typeof agent !== "object" || agent === null || !("restart_drain_timeout" in agent)) return 0;
  return Number(agent.restart_drain_timeout);
}

/** Seconds until systemd ends a gateway that is to stop: what the harness asks for, of which a job may use all. */
export const stopTimeout = (drain: number): number => drain + 30;
