/** Packages for a machine of the test bed, from the mirror of the machine that the tests run on. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

import type { Machine } from "../../testbed/index.ts";
import { cacheFolder } from "../../testbed/paths.ts";
import { exclusively } from "../../toolchain/exclusive.ts";
import { inside } from "./fleet.ts";

/**
 * The bed's machines reach no mirror: what they lack of these packages is downloaded here and offered there.
 *
 * @param folder of the test bed's cache that takes them
 */
export async function offerPackages(
  machine: Machine,
  names: readonly string[],
  folder: string,
): Promise<void> {
  const cache = path.join(cacheFolder(), folder);
  mkdirSync(path.join(cache, "partial"), { recursive: true });
  const status = path.join(machine.rootFolder, "var/lib/dpkg/status");
  const options = [
    `Dir::State::status=${status}`,
    `Dir::Cache::archives=${cache}`,
    "APT::Sandbox::User=root",
  ];
  const quiet = ["-qq", "-y", "--no-install-recommends", "--download-only"];
  const args = [...options.flatMap((option) => ["-o", option]), ...quiet, "install", ...names];
  const apt = (words: readonly string[]) => promisify(execFile)("apt-get", words);
  // apt does not wait for another one that holds the lists or this folder: it fails.
  await exclusively(
    path.join(cacheFolder(), "apt.lock"),
    () => undefined,
    async () => {
      try {
        await apt(args);
      } catch {
        // This machine may have no lists yet, or old ones; what is wrong beyond that is told the second time.
        await apt(["-qq", "update"]);
        await apt(args);
      }
    },
  );
  const repository = path.join(machine.rootFolder, "srv/repo");
  mkdirSync(repository, { recursive: true });
  for (const file of readdirSync(cache).filter((name) => name.endsWith(".deb")))
    cpSync(path.join(cache, file), path.join(repository, file.replaceAll("%3a", "_")));
  await inside(
    machine,
    `cd /srv/repo
     for f in *.deb; do
       dpkg-deb -f "$f"
       printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' "$f" "$(stat -c %s "$f")" "$(sha256sum "$f" | cut -d ' ' -f 1)"
     done >Packages
     echo "deb [trusted=yes] copy:/srv/repo ./" >/etc/apt/sources.list`,
  );
}
