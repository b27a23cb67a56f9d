/** Places of this provider on a host that belong to no house. */
import type { Step } from "../host/steps.ts";

/** Root's own: the lock of changes outside houses, and what adoption moved away. */
const OWN_FOLDER = "/var/lib/wizard-houses";
export const SYSTEM_LOCK = `${OWN_FOLDER}/.lock`;
export const SYSTEM_DISPLACED = `${OWN_FOLDER}/displaced`;

/** The last step of every removal: nothing of ours stays on a host that nothing of ours is on. */
export const LEAVE: Step = { do: "remove-lock", path: SYSTEM_LOCK };
