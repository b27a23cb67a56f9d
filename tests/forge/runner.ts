/**
 * A runner of Gitea Actions as far as getting work goes: what the server hands to it is what a job could get at. It speaks
 * the runners' own protocol, in JSON, and runs nothing.
 */
import type { Gitea, Repository } from "./gitea.ts";

export interface Task {
  /** The workflow's text, of one job. */
  workflow: string;
  secrets: Record<string, string>;
  variables: Record<string, string>;
  /** `pull_request`, `push`, … */
  event: string;
}

interface RawTask {
  id: string;
  workflowPayload: string;
  secrets?: Record<string, string>;
  vars?: Record<string, string>;
  context?: Record<string, unknown>;
}

/** Registers a runner for the repository; what it returns hands out the jobs that wait, each once. */
export async function registerRunner(gitea: Gitea, { fullName }: Repository): Promise<() => Promise<Task[]>> {
  const call = async <T>(method: string, body: unknown, headers: Record<string, string> = {}): Promise<T> => {
    const answer = await fetch(`${gitea.url}/api/actions/runner.v1.RunnerService/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method}: HTTP ${answer.status}: ${text}`);
    return JSON.parse(text) as T;
  };
  const { token } = await gitea.call<{ token: string }>(
    gitea.admin,
    "GET",
    `repos/${fullName}/actions/runners/registration-token`,
  );
  const labels = ["ubuntu-latest"];
  const wanted = { name: "tests", token, version: "1.0", labels };
  const { runner } = await call<{ runner: { uuid: string; token: string } }>("Register", wanted);
  const own = { "x-runner-uuid": runner.uuid, "x-runner-token": runner.token };
  await call("Declare", { version: "1.0", labels }, own);

  return async () => {
    const tasks: Task[] = [];
    for (;;) {
      // Zero is the version of somebody who knows nothing yet, so that waiting work is told of.
      const { task } = await call<{ task?: RawTask }>("FetchTask", { tasksVersion: "0" }, own);
      if (task === undefined) return tasks;
      tasks.push({
        workflow: Buffer.from(task.workflowPayload, "base64").toString("utf8"),
        secrets: task.secrets ?? {},
        variables: task.vars ?? {},
        event: String(task.context?.["event_name"]),
      });
      // Done, so that jobs behind it get their turn.
      await call(
        "UpdateTask",
        { state: { id: task.id, result: "RESULT_SUCCESS", stoppedAt: new Date() } },
        own,
      );
    }
  };
}
