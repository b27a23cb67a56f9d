/**
 * `npm run converge -- -s <stack>`: a run of the deploy hook by hand, for the newest commit of its branch. As after a merge,
 * and also where that commit was brought up before.
 */
import path from "node:path";

import { connections, StackError, stackSettings } from "../components/stack.ts";
import { controlHouse } from "../fleet/deploy-hook.ts";
import { FleetError, loadFleet } from "../fleet/index.ts";
import { CannotLook } from "../provider/errors.ts";
import { sshTarget } from "../provider/host/connection.ts";
import { printable } from "../provider/host/facts.ts";
import { sshTransport } from "../provider/host/ssh.ts";
import { SshWorkplace } from "../provider/host/ssh-workplace.ts";
import type { Values } from "../provider/values.ts";
import { parseArguments, UsageError } from "./arguments.ts";
import { stackReader } from "./house-session.ts";
import { say } from "./session.ts";
import { ROOT } from "./stack.ts";

/** Steps before the last one, their waiting and a minute for the way there. */
const MARGIN = 1200;

/** Waits for a run that is under way, then makes one, and answers with how it ended. */
const SCRIPT = `
while systemctl is-active --quiet deploy-converge.service ||
  [ "$(systemctl show -P ActiveState deploy-converge.service)" = activating ]; do sleep 1; done
systemctl start deploy-converge.service </dev/null >/dev/null 2>&1
code=$?
# The steps in their order: the last one that has something to say about this run is where it ended.
run=
for step in forge build converge; do
  read -r its_run its_commit its_state its_message <"/run/deploy-$step/outcome" || continue
  [ -n "$run" ] || run=$its_run
  if [ "$its_run" = "$run" ]; then line="$its_commit $its_state: $its_message"; fi
done 2>/dev/null
printf '%s\\n' "\${line:-deploy-converge.service did not begin}"
exit "$code"
`;

export async function main(args: readonly string[]): Promise<number> {
  const workplace = new SshWorkplace();
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  try {
    const { stack, rest } = parseArguments(args);
    if (rest.length > 0) throw new UsageError("usage: npm run converge -- -s <stack>");
    const fleet = loadFleet(path.join(ROOT, "wizards"));
    const control = controlHouse(fleet.deployHook, fleet.hosts, stack);
    if (control === undefined)
      throw new UsageError(
        `wizards/fleet.yaml has no deployHook for the stack ${stack}, so there is no control house to ask; ` +
          `npm run up -- -s ${stack} converges from here`,
      );
    const connection = connections([control.spec], stackSettings(stackReader(stack)))[control.hook.host];
    const target = sshTarget(connection as unknown as Values);
    const answer = await sshTransport(target, workplace).run({
      script: SCRIPT,
      deadline: control.hook.deadline + MARGIN,
      signal: stop.signal,
    });
    say(printable(answer.stdout.toString("utf8").trim()));
    return answer.code === 0 ? 0 : 1;
  } catch (error) {
    if (error instanceof CannotLook) {
      say(error.message);
      return 4;
    }
    if (!(error instanceof UsageError || error instanceof FleetError || error instanceof StackError))
      throw error;
    say(error.message);
    return 1;
  } finally {
    workplace.close();
  }
}
