/** The provider's process at its end, with an engine that leaves in every order. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import http2 from "node:http2";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, expect, it } from "vitest";

const PROVIDER = path.join(import.meta.dirname, "../../provider/pulumi-resource-host");
/** Milliseconds; a provider that waits in vain waits for three seconds. */
const AT_ONCE = 2500;

let provider: ChildProcessWithoutNullStreams;
let engine: http2.ClientHttp2Session;
beforeEach(async () => {
  provider = spawn(PROVIDER);
  const [port] = (await once(createInterface(provider.stdout), "line")) as [string];
  engine = http2.connect(`http://127.0.0.1:${port}`).on("error", () => {});
  await once(engine, "remoteSettings");
});
afterEach(() => {
  engine.destroy();
  provider.kill("SIGKILL");
});

it.each<[string, () => void]>([
  ["keeps its connection", () => {}],
  ["has said that it is about to close its connection", () => engine.goaway(0)],
  [
    "never ends a call that it has begun",
    () => {
      const call = engine.request({
        ":method": "POST",
        ":path": "/pulumirpc.ResourceProvider/GetPluginInfo",
        ...{ "content-type": "application/grpc", te: "trailers" },
      });
      call.on("error", () => {}).write(Buffer.alloc(1));
    },
  ],
])("ends at once under an engine that %s", { timeout: 20_000 }, async (_, before) => {
  before();
  // It has come to the server.
  await sleep(300);
  const begin = Date.now();
  provider.kill("SIGINT");
  expect(await once(provider, "exit")).toEqual([0, null]);
  expect(Date.now() - begin).toBeLessThan(AT_ONCE);
});
