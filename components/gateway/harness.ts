/**
 * Where a house finds its harness. Every release has a link to the virtualenv that it runs with, and all that runs in the
 * house goes through it: whatever sets `current` back sets back release and harness together. Pure.
 */

/** The link in a release; the provider makes it from `ReleaseArgs.harness`. */
export const HARNESS_LINK = "harness";

/**
 * Python of the harness that the house at `path` runs now, for programs that read nothing of it later. One that goes on
 * running must be started by the real name, as `start-gateway.sh` does: modules it reads after a switch would be the other
 * harness's.
 */
export const harnessPython = (path: string): string => `${path}/current/${HARNESS_LINK}/bin/python`;
