/** GoldenState: the configuration a wizard runs on, whatever its agent writes into its own. */
import * as pulumi from "@pulumi/pulumi";

import { renderEnvFile } from "../fleet/env-file.ts";
import type { DirectoryArgs } from "../provider/sdk.ts";
import type { ReleasePart } from "./part.ts";

export interface GoldenStateArgs {
  /** Account of the agent, which owns the folders that links in its home need. Example: `wizard-bezalel`. */
  user: string;
  /** Release files by path; all of them non-secret. Example: `{"config.yaml": "model: …"}`. */
  files: Record<string, string>;
  /** Links in the house to release files. Default none. Example: `{"home/SOUL.md": "SOUL.md"}`. */
  links?: Record<string, string>;
  /** Non-secret lines of `.env`. Default none. Example: `{"HERMES_QUIET": "1"}`. */
  env?: Record<string, string>;
  /** Secret lines of `.env`, which appear nowhere else. Default none. Example: `{"KIMI_API_KEY": config.requireSecret(…)}`. */
  keys?: Record<string, pulumi.Input<string>>;
}

/**
 * Contributes `config.yaml`, `.env`, `golden.yaml`, SOUL.md, skins and channel aliases, and their links in the
 * agent's home.
 *
 *     new GoldenState("bezalel-golden-state", { user: "wizard-bezalel", files: { "config.yaml": text } });
 */
export class GoldenState extends pulumi.ComponentResource {
  readonly part: ReleasePart;

  constructor(name: string, args: GoldenStateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:GoldenState", name, {}, opts);
    const files = mapValues(args.files, (content) => ({ content, mode: "0640" }));
    const links = mapValues(args.links ?? {}, (target) => ({ target }));
    this.part = {
      name: "golden-state",
      files: { ...files, ".env": { content: envFile(args.env ?? {}, args.keys ?? {}), mode: "0640" } },
      links,
      directories: linkFolders(Object.keys(links), args.user),
    };
    this.registerOutputs({
      files: Object.keys(this.part.files ?? {}).sort(),
      keys: Object.keys(args.keys ?? {}).sort(),
    });
  }
}

function mapValues<From, To>(record: Record<string, From>, convert: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, convert(value)]));
}

/** The text of `.env`, secret as a whole: one key makes the file a secret. */
function envFile(
  env: Record<string, string>,
  keys: Record<string, pulumi.Input<string>>,
): pulumi.Output<string> {
  return pulumi.secret(pulumi.all(keys).apply((values) => renderEnvFile({ ...env, ...values })));
}

/** The folders between `home` (the gateway's) and links inside it; the agent owns them as it owns its home. */
function linkFolders(links: string[], user: string): Record<string, DirectoryArgs> {
  const folders = links.flatMap((link) => {
    const names = link.split("/").slice(0, -1);
    return names.slice(1).map((_, depth) => names.slice(0, depth + 2).join("/"));
  });
  return Object.fromEntries(
    folders.sort().map((folder) => [folder, { mode: "0700", owner: user, group: user }]),
  );
}
