/** Rules `deadman-present` and `request-log-present`: what watches a house, with settings that make sense. */
import type { DeadmanSettings, RequestLogSettings } from "../model.ts";
import type { Finding } from "./finding.ts";
import type { PolicySettings } from "./settings.ts";

/** What is wrong with a deadman switch's settings. Its cron entry runs once a minute. */
export function deadmanFindings(
  { grace, maxRetries, window }: Pick<DeadmanSettings, "grace" | "maxRetries" | "window">,
  settings: PolicySettings["deadman-present"],
): Finding[] {
  const findings: Finding[] = [];
  if (!(grace >= 60 && grace <= settings.maxGrace)) {
    const allowed = `60 to ${settings.maxGrace} seconds`;
    findings.push({ path: ["grace"], message: "is no sane grace", got: grace, allowed });
  }
  if (!(maxRetries >= 1 && maxRetries <= settings.maxRetries)) {
    const allowed = `1 to ${settings.maxRetries} restarts`;
    findings.push({ path: ["maxRetries"], message: "calls a human too late", got: maxRetries, allowed });
  }
  // A restart gets its grace before the next one. In a shorter window the first is forgotten before the last is due.
  const needed = grace * maxRetries;
  if (!(window >= needed)) {
    const message = "is too short: restarts would be forgotten before they are too many, and go on for ever";
    findings.push({
      path: ["window"],
      message,
      got: window,
      allowed: `at least grace × maxRetries, ${needed} seconds`,
    });
  }
  return findings;
}

/** What is wrong with a request log's settings. */
export function requestLogFindings(
  { maxBytes, keep }: RequestLogSettings,
  settings: PolicySettings["request-log-present"],
): Finding[] {
  const total = maxBytes * (keep + 1);
  if (maxBytes > 0 && keep >= 1 && total <= settings.maxTotal) return [];
  const allowed = `maxBytes × (keep + 1) up to ${settings.maxTotal} bytes, with keep from 1`;
  return [{ path: ["maxBytes"], message: "makes a log without a sane bound", got: total, allowed }];
}
