/** The fleet model's public face. */
export { type CronEntry, type CronProblem, cronProblems, renderCronFile, scheduleProblems } from "./cron.ts";
export { renderEnvFile } from "./env-file.ts";
export { loadFleet } from "./load.ts";
export * from "./model.ts";
export { FleetError, formatProblem, type Problem } from "./problem.ts";
export { renderHouse } from "./render.ts";
export { shellQuote } from "./shell.ts";
