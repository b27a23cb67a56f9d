/** What an operator does on a control house before the first update: packages, Node.js, credentials, its own rules. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { HOOK_NEEDED } from "../../components/deploy-hook.ts";
import type { Machine } from "../../testbed/index.ts";
import { cacheFolder } from "../../testbed/paths.ts";
import { pulumiHome } from "../../toolchain/engine.ts";
import { madeOnce } from "../../toolchain/exclusive.ts";
import { VERSIONS } from "../../toolchain/versions.ts";
import { inside } from "./fleet.ts";
import { offerPackages } from "./offered-packages.ts";

const CHECKOUT = path.resolve(import.meta.dirname, "..", "..");
/** Folder of Node.js on the machine. */
export const NODE = "/opt/node";
export const CERTIFICATE = { certificate: "/etc/ssl/deploy/cert.pem", key: "/etc/ssl/deploy/key.pem" };

export interface ControlHouse {
  passphrase: string;
  /** Public keys that may sign, as `ssh-ed25519 AAAA…`. */
  signers: readonly string[];
  /** Content of the file with the least that must be banned. */
  banned: string;
  /** Tokens by credential, e.g. `deploy-forge-status`. */
  tokens: Readonly<Record<string, string>>;
}

/** Returns the certificate that whoever calls the machine by its address has to trust. */
export async function prepareControlHouse(machine: Machine, house: ControlHouse): Promise<string> {
  const root = (...parts: string[]): string => path.join(machine.rootFolder, ...parts);
  const put = (file: string, text: string, mode: number): void => {
    mkdirSync(path.dirname(root(file)), { recursive: true });
    writeFileSync(root(file), text);
    chmodSync(root(file), mode);
  };
  await offerPackages(machine, Object.keys(HOOK_NEEDED), "hook-debs");
  cpSync(process.execPath, root(NODE, "bin/node"), { recursive: true });
  const npm = path.dirname(path.dirname(npmProgram()));
  cpSync(npm, root(NODE, "lib/node_modules/npm"), { recursive: true });
  await inside(machine, `ln -sf ../lib/node_modules/npm/bin/npm-cli.js ${NODE}/bin/npm`);
  cpSync(await npmCache(), root("var/cache/deploy-build/npm"), { recursive: true });
  const engine = path.join("versions", VERSIONS.pulumi);
  const from = path.join(pulumiHome(), engine);
  cpSync(from, root("var/lib/deploy-converge/pulumi", engine), { recursive: true });

  put("/etc/credstore/deploy-passphrase", `${house.passphrase}\n`, 0o600);
  put("/etc/credstore/deploy-ssh-key", readFileSync(machine.clientKeyFile, "utf8"), 0o600);
  for (const [name, token] of Object.entries(house.tokens))
    put(`/etc/credstore/${name}`, `${token}\n`, 0o600);
  const signers = house.signers.map((key) => `operator@example.org namespaces="git" ${key}\n`);
  put("/etc/wizard-deploy/allowed_signers", signers.join(""), 0o644);
  put("/etc/wizard-deploy/banned.yaml", house.banned, 0o644);

  const request = [
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
  ];
  const name = ["-subj", "/CN=deploy", "-addext", `subjectAltName=IP:${machine.address}`];
  mkdirSync(root("etc/ssl/deploy"), { recursive: true });
  const out = ["-keyout", root(CERTIFICATE.key), "-out", root(CERTIFICATE.certificate)];
  execFileSync("openssl", ["req", ...request, ...name, ...out], { stdio: "pipe" });
  chmodSync(root(CERTIFICATE.key), 0o600);
  return readFileSync(root(CERTIFICATE.certificate), "utf8");
}

function npmProgram(): string {
  return execFileSync("sh", ["-c", 'readlink -f "$(command -v npm)"'], { encoding: "utf8" }).trim();
}

/** A cache with every package of the lock file, so that npm ci needs no registry. */
function npmCache(): Promise<string> {
  const lock = readFileSync(path.join(CHECKOUT, "package-lock.json"), "utf8");
  const name = `npm-${createHash("sha256").update(lock).digest("hex").slice(0, 12)}`;
  const cache = path.join(cacheFolder(), name);
  return madeOnce(
    cache,
    () => undefined,
    () => {
      const staging = `${cache}.staging`;
      const project = path.join(os.tmpdir(), `npm-project-${process.pid}`);
      mkdirSync(project, { recursive: true });
      for (const file of ["package.json", "package-lock.json", ".npmrc"])
        cpSync(path.join(CHECKOUT, file), path.join(project, file));
      execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", staging], {
        cwd: project,
        stdio: "pipe",
      });
      rmSync(project, { recursive: true });
      renameSync(staging, cache);
      return Promise.resolve();
    },
  );
}
