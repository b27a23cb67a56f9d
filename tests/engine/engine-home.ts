/** A PULUMI_HOME of a test's own, for which the engine need not be had again. */
import { cpSync, linkSync, mkdirSync } from "node:fs";
import path from "node:path";

import { ensureEngine, pulumiHome } from "../../toolchain/engine.ts";
import { VERSIONS } from "../../toolchain/versions.ts";

/** The engine's executable inside a PULUMI_HOME. */
export const engineIn = (home: string): string =>
  path.join(home, "versions", VERSIONS.pulumi, "bin", "pulumi");

/** Makes `home` a PULUMI_HOME with the engine in it: hard links where the file system allows, copies elsewhere. */
export async function makeEngineHome(home: string): Promise<void> {
  const from = path.join(pulumiHome(), "versions", VERSIONS.pulumi, "bin");
  const to = path.dirname(engineIn(home));
  mkdirSync(to, { recursive: true });
  for (const name of ["pulumi", "pulumi-language-nodejs"]) {
    try {
      linkSync(path.join(from, name), path.join(to, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
      cpSync(path.join(from, name), path.join(to, name));
    }
  }
  await ensureEngine({ home, seenFile: path.join(home, "seen"), progress: () => undefined });
}
