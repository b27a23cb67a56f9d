/**
 * Holds what runs on a machine at one program that it calls, as a slow disk would: the programs that our scripts are made
 * of stand behind a wrapper, which waits where it was asked to. So a fault can come at any step, however short.
 */
import type { Machine } from "../../testbed/index.ts";
import { inside } from "./fleet.ts";

/** All of Debian's own that mark a step. */
const PROGRAMS = ["mv", "mktemp", "timeout", "systemd-run", "systemctl", "curl", "rm"];

/** In /run, so that a boot lifts it. */
const [ASKED, TAKEN] = ["/run/hold", "/run/held"];

/** Only the first call that fits waits: who has moved the question away has taken it. */
const wrapper = (program: string): string => `#!/bin/sh
if [ -f ${ASKED} ]; then
  pattern=$(/usr/bin/cat ${ASKED})
  case "${program} $*" in
    $pattern) if /usr/bin/mv.held -T ${ASKED} ${TAKEN} 2>/dev/null; then while [ -e ${TAKEN} ]; do sleep 0.05; done; fi ;;
  esac
fi
exec /usr/bin/${program}.held "$@"
`;

/** Puts the wrappers before the programs, each in one step: systemd and cron call them too. */
export async function makeHoldable(machine: Machine): Promise<void> {
  for (const program of PROGRAMS) {
    const [real, fresh, place] = [`/usr/bin/${program}.held`, `/usr/bin/.${program}`, `/usr/bin/${program}`];
    await inside(
      machine,
      `cp -a ${place} ${real} && cat >${fresh} <<'END'\n${wrapper(program)}END\n` +
        `chmod 0755 ${fresh} && /usr/bin/mv.held -T ${fresh} ${place}`,
    );
  }
}

/** The next call that is like `pattern`, a shell pattern over the program's name and its arguments, waits. */
export async function hold(machine: Machine, pattern: string): Promise<void> {
  await inside(
    machine,
    `rm -f ${TAKEN}; printf '%s' '${pattern}' >${ASKED}.new && /usr/bin/mv.held -T ${ASKED}.new ${ASKED}`,
  );
}

/** Whether something waits. */
export const IS_HELD = `test -e ${TAKEN}`;

/** Lets it go on, and holds nothing any more. */
export async function letGo(machine: Machine): Promise<void> {
  await inside(machine, `rm -f ${ASKED} ${TAKEN}`);
}
