/** Places of this provider on a host that belong to no house. */

/** Root's own: the lock of changes outside houses, and what adoption moved away. */
const OWN_FOLDER = "/var/lib/wizard-houses";
export const SYSTEM_LOCK = `${OWN_FOLDER}/.lock`;
export const SYSTEM_DISPLACED = `${OWN_FOLDER}/displaced`;
