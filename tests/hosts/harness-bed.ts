/** What tests of the harness's installation need beside a machine: its wheels, one that is broken, and an index. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";

import { lockName, normalName } from "../../fleet/harness/lock.ts";
import { cacheFolder } from "../../testbed/paths.ts";
import { VERSIONS } from "../../toolchain/versions.ts";

/** The wheels that the image's own harness came from, which are those of the lock. */
export const WHEELS = path.join(cacheFolder(), `wheels-${VERSIONS.hermesAgent}`);

export const LOCK = readFileSync(
  path.join(import.meta.dirname, "../../wizards/harness", lockName(VERSIONS.hermesAgent)),
  "utf8",
);

const AGENT = `hermes_agent-${VERSIONS.hermesAgent}-py3-none-any.whl`;
const sha256 = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

/** The same wheels, but the harness's gateway ends at its start. Its configuration is read as ever. */
export function brokenHarness(): { wheels: string; lock: string; cleanup: () => void } {
  const wheels = mkdtempSync(path.join(os.tmpdir(), "broken-wheels-"));
  for (const name of readdirSync(WHEELS).filter((one) => one !== AGENT))
    symlinkSync(path.join(WHEELS, name), path.join(wheels, name));
  const program = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as old, zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED) as new:
    for item in old.infolist():
        data = old.read(item)
        if item.filename == "hermes_cli/main.py":
            future = data.rfind(b"from __future__")
            at = data.index(b"\\n", future) + 1 if future >= 0 else 0
            data = data[:at] + b"import sys\\nif sys.argv[1:2] == ['gateway']: sys.exit('broken on purpose')\\n" + data[at:] if future >= 0 else b"import sys\\nif sys.argv[1:2] == ['gateway']: sys.exit('broken on purpose')\\n" + data
        new.writestr(item, data)
`;
  execFileSync("python3", ["-c", program, path.join(WHEELS, AGENT), path.join(wheels, AGENT)]);
  const [was, is] = [path.join(WHEELS, AGENT), path.join(wheels, AGENT)].map(sha256) as [string, string];
  return {
    wheels,
    lock: LOCK.replace(was, is),
    cleanup: () => rmSync(wheels, { recursive: true, force: true }),
  };
}

/** A folder without any wheel. */
export function noWheels(): string {
  const folder = path.join(os.tmpdir(), "no-wheels");
  mkdirSync(folder, { recursive: true });
  return folder;
}

export interface Index {
  /** With a name and a password in it. */
  url: string;
  password: string;
  /** Wheels that were asked for. */
  served: string[];
  close: () => void;
}

/** A package index of the wheels of a folder, which asks for a password, at an address that machines reach. */
export async function startIndex(address: string, folder = WHEELS): Promise<Index> {
  const password = "CANARY-of-the-index";
  const names = readdirSync(folder);
  const served: string[] = [];
  const server = createServer((request, response) => {
    const given = Buffer.from(
      (request.headers.authorization ?? "").replace("Basic ", ""),
      "base64",
    ).toString();
    if (given !== `reader:${password}`)
      return void response.writeHead(401, { "WWW-Authenticate": "Basic" }).end();
    const [, kind, name = ""] = (request.url ?? "").split("/");
    if (kind === "simple") {
      const links = names.filter((file) => normalName(file.split("-")[0] ?? "") === name);
      if (links.length === 0) return void response.writeHead(404).end();
      response.writeHead(200, { "Content-Type": "text/html" });
      return void response.end(links.map((file) => `<a href="/wheels/${file}">${file}</a>`).join("\n"));
    }
    if (!names.includes(name)) return void response.writeHead(404).end();
    served.push(name);
    response
      .writeHead(200, { "Content-Type": "application/octet-stream" })
      .end(readFileSync(path.join(folder, name)));
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://reader:${password}@${address}:${port}/simple`,
    password,
    served,
    close: () => server.close(),
  };
}
