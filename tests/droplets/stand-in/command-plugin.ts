/** The process of the stand-in for the provider `command`. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { servePlugin } from "../../../provider/plugin.ts";
import { command } from "./command.ts";

const require = createRequire(import.meta.url);
const manifest = require.resolve("@pulumi/command/package.json");
const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };

export async function serve(): Promise<void> {
  await servePlugin(() => ({
    name: "command",
    version,
    schema: () => ({ name: "command", version }),
    resources: command(),
  }));
}
