/** The process of the stand-in for DigitalOcean; `STAND_IN_ACCOUNT` names the folder of the account. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { servePlugin } from "../../../provider/plugin.ts";
import { Account } from "./account.ts";
import { digitalocean } from "./digitalocean.ts";

const require = createRequire(import.meta.url);
const manifest = require.resolve("@pulumi/digitalocean/package.json");
const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };

export async function serve(): Promise<void> {
  const account = new Account(process.env["STAND_IN_ACCOUNT"] ?? "");
  await servePlugin(() => ({
    name: "digitalocean",
    version,
    schema: () => ({ name: "digitalocean", version }),
    resources: digitalocean(account),
    configure(config) {
      const token = config["token"] ?? process.env["DIGITALOCEAN_TOKEN"];
      if (token !== account.terms.token) throw new Error("401 Unable to authenticate you");
    },
  }));
}
