/**
 * Faults of the real harness, chosen by a value in the release: a module that its virtualenv's Python imports before
 * anything else looks at `agent.max_turns` and misbehaves accordingly. All else is the real thing.
 */
import { inside } from "./fleet.ts";
import type { Machine } from "../../testbed/index.ts";

/** What the gateway does, by the value of `agent.max_turns`. */
export const FAULTS = {
  "ends at its start": 601,
  "ends after a second": 602,
  "runs and does not answer": 603,
  "answers, with the heartbeat of another process": 604,
  "goes by the agent's own configuration": 605,
  "takes long to be checked": 606,
} as const;
export type Fault = keyof typeof FAULTS;

/** While this file is on a machine, its harness starts no gateway at all, on whatever release. */
export const BROKEN_HARNESS = "/run/harness-is-broken";

const MODULE = `
import os, re, sys
turns = None
try:
    with open(os.path.join(os.environ.get("HERMES_MANAGED_DIR", "."), "config.yaml"), encoding="utf-8") as config:
        found = re.search(r"^  max_turns: (\\d+)$", config.read(), re.M)
        turns = found and int(found[1])
except OSError:
    pass
words = sys.orig_argv
if "gateway" in words and "run" in words:
    # Says which release it was that this process was started on.
    state = os.path.join(os.environ["HERMES_HOME"], "state")
    os.makedirs(state, exist_ok=True)
    with open(os.path.join(state, "started-on"), "w") as started:
        print(turns, file=started)
    if os.path.exists("${BROKEN_HARNESS}"):
        sys.exit("fault: the harness itself is broken")
    if turns == 601:
        sys.exit("fault: it ends at its start")
    if turns == 602:
        import threading, time
        def end():
            time.sleep(1)
            print("fault: it ends after a second", file=sys.stderr, flush=True)
            os._exit(3)
        threading.Thread(target=end, daemon=True).start()
    if turns == 603:
        import time
        print("fault: it does not answer, API_KEY=sk-ant-api03-" + "x" * 40, file=sys.stderr, flush=True)
        time.sleep(3600)
    if turns == 604:
        os.getpid = lambda: 1
if "--effective" in words and turns == 605:
    os.environ["HERMES_MANAGED_DIR"] = os.environ["HERMES_HOME"] = "/tmp"
if any(word.endswith("check-harness.py") for word in words) and "--effective" not in words and turns == 606:
    import time
    time.sleep(6)
`;

const SITES = "/opt/hermes/venv/lib/python3.11/site-packages";

/** Puts the faults into a machine's harness. */
export async function plantFaults(machine: Machine): Promise<void> {
  await inside(
    machine,
    `cat >${SITES}/faults_of_tests.py <<'END'\n${MODULE}\nEND\necho 'import faults_of_tests' >${SITES}/faults-of-tests.pth`,
  );
}

/** Takes them away again. */
export async function pullFaults(machine: Machine): Promise<void> {
  await inside(machine, `rm ${SITES}/faults_of_tests.py ${SITES}/faults-of-tests.pth`);
}
