/** A stack whose state lies in a bucket, as a control house and laptops share it: on a real S3 gateway over a folder. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ensureGoTool } from "../../toolchain/go-tools.ts";
import { makeEngineHome } from "../engine/engine-home.ts";
import { makeWorkspace, type Workspace } from "../engine/workspace.ts";

const STACK = "shared";
let folder: string;
let gateway: ChildProcess;
let work: Workspace;
let environment: NodeJS.ProcessEnv;
const key = { id: "operators", secret: randomBytes(20).toString("hex") };
const run = (...args: string[]) => work.run([...args, "-s", STACK], { env: environment });

beforeAll(async () => {
  const program = path.join(await ensureGoTool("versitygw", console.log), "versitygw");
  folder = mkdtempSync(path.join(os.tmpdir(), "s3-state-"));
  mkdirSync(path.join(folder, "buckets", "state"), { recursive: true });
  const port = await freePort();
  gateway = spawn(program, ["--port", `127.0.0.1:${port}`, "posix", path.join(folder, "buckets")], {
    env: { PATH: process.env["PATH"], ROOT_ACCESS_KEY: key.id, ROOT_SECRET_KEY: key.secret },
    stdio: "ignore",
  });
  for (let tries = 0; !(await answers(port)) && tries < 100; tries++) await sleep(100);

  work = makeWorkspace();
  const home = path.join(folder, "pulumi");
  await makeEngineHome(home);
  const credentials = path.join(folder, "credentials");
  const lines = ["[default]", `aws_access_key_id = ${key.id}`, `aws_secret_access_key = ${key.secret}`, ""];
  writeFileSync(credentials, lines.join("\n"), { mode: 0o600 });
  environment = {
    PULUMI_HOME: home,
    PULUMI_BACKEND_URL: `s3://state?endpoint=http://127.0.0.1:${port}&s3ForcePathStyle=true&region=us-east-1`,
    PULUMI_CONFIG_PASSPHRASE: "correct horse battery staple",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    AWS_SHARED_CREDENTIALS_FILE: credentials,
  };
  const settings = { environment: "dev", transport: "local", root: ".dev/shared" };
  const config = Object.entries(settings).map(([name, value]) => `  wizard-houses:${name}: ${value}\n`);
  writeFileSync(path.join(work.dir, `Pulumi.${STACK}.yaml`), `config:\n${config.join("")}`);
});
afterAll(() => {
  gateway?.kill("SIGKILL");
  work?.cleanup();
  rmSync(folder, { recursive: true, force: true });
});

describe("state in a bucket", () => {
  it("serves up, drift and a second up", async () => {
    const made = await run("pulumi", "stack", "init", STACK);
    expect(made.code, made.stderr).toBe(0);
    const up = await run("up", "--yes");
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect(readdirSync(path.join(folder, "buckets", "state", ".pulumi"))).toContain("stacks");
    const drift = await run("drift");
    expect(drift.code, drift.stdout + drift.stderr).toBe(0);
    expect((await run("up", "--yes", "--expect-no-changes")).code).toBe(0);
  });

  it("tells whoever comes second who is at it, in the words a control house waits for", async () => {
    const first = work.start(["up", "-s", STACK, "--yes"], { env: environment });
    const locks = path.join(folder, "buckets/state/.pulumi/locks/organization/wizard-houses", STACK);
    for (let tries = 0; !isHeld(locks) && tries < 600; tries++) await sleep(20);
    const second = await run("up", "--yes");
    expect((await first.result).code).toBe(0);
    expect(second.code).toBe(1);
    expect(second.stdout + second.stderr).toMatch(/currently locked by .*\n?.*@/);
  });
});

function isHeld(locks: string): boolean {
  try {
    return readdirSync(locks).length > 0;
  } catch {
    // Not there before the first lock, nor after the last.
    return false;
  }
}

async function answers(port: number): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${port}/`).then(
    () => true,
    () => false,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const bound = probe.address();
      probe.close(() =>
        typeof bound === "object" && bound !== null ? resolve(bound.port) : reject(new Error("no port")),
      );
    });
  });
}
