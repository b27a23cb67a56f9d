/** A forge, a control house and a fleet of houses: what a merge goes through. */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { parse, stringify } from "yaml";

import { HOOK_ID } from "../../fleet/deploy-hook.ts";
import type { Machine } from "../../testbed/index.ts";
import { startGitea, type Account, type Gitea, type Repository } from "../forge/gitea.ts";
import { CERTIFICATE, NODE, prepareControlHouse } from "./control-house.ts";
import { hostEntry, inside, makeHostFleet, STACK, type HostFleet } from "./fleet.ts";

export const SECRET = "5c3f0d9a7be84126bb1fd0e2c9a87f44";

export interface DeployBed {
  fleet: HostFleet;
  control: Machine;
  gitea: Gitea;
  repository: Repository;
  operator: Account;
  /** Sets statuses and nothing else. */
  deployer: Account;
  /** `https://<address>`; its certificate is in `trust`. */
  url: string;
  trust: string;
  /** Commits everything in the copy of the checkout, signed by the operator unless told otherwise. Returns the commit. */
  commit(message: string, key?: SigningKey): string;
  git(...args: string[]): string;
  keys: Record<SigningKey, string>;
  cleanup(): Promise<void>;
}

export type SigningKey = "operator" | "stranger" | "none";

/**
 * @param control the machine that becomes the control house
 * @param houses a machine for each of the wizards, by the name of its host
 */
export async function makeDeployBed(control: Machine, houses: Record<string, Machine>): Promise<DeployBed> {
  const scratch = mkdtempSync(path.join(os.tmpdir(), "deploy-bed-"));
  const keys = {
    operator: path.join(scratch, "operator"),
    stranger: path.join(scratch, "stranger"),
    none: "",
  };
  for (const name of ["operator", "stranger"] as const)
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", keys[name]]);
  const fleet = await makeHostFleet({ ...houses, helm: control });
  const { dir } = fleet.work;
  const banned = (parse(readFileSync(path.join(dir, "wizards/fleet.yaml"), "utf8")) as { banned: unknown })
    .banned;
  const trust = path.join(scratch, "trust.pem");
  // The forge is started with it, and it is made on the control house: a file that is there from the beginning.
  writeFileSync(trust, "");
  // The forge runs as another account; the keys in there are closed to it by themselves.
  chmodSync(scratch, 0o711);
  const certificate = await prepareControlHouse(control, {
    passphrase: fleet.environment["PULUMI_CONFIG_PASSPHRASE"] ?? "",
    signers: [readFileSync(`${keys.operator}.pub`, "utf8").split(" ").slice(0, 2).join(" ")],
    banned: stringify(banned),
    tokens: {},
  });
  writeFileSync(trust, certificate);
  const gitea = await startGitea({ address: control.gateway, trust });
  const operator = await gitea.user("operator");
  const deployer = await gitea.user("deployer", ["write:repository"]);
  const repository = await gitea.repository(operator, "timmy-config", { private: true });
  const token = await gitea.token(deployer, ["read:repository"]);
  const rights = { permission: "write" };
  await gitea.call(operator, "PUT", `repos/${repository.fullName}/collaborators/deployer`, rights);
  await inside(
    control,
    `umask 077; echo ${deployer.token} >/etc/credstore/deploy-forge-status; echo ${token} >/etc/credstore/deploy-forge-read`,
  );
  fleet.editFleet((data) => {
    data.hosts = Object.fromEntries(
      Object.entries({ ...houses, helm: control }).map(([name, machine]) => [name, hostEntry(machine)]),
    );
    data["deployHook"] = {
      host: "helm",
      stack: STACK,
      names: [control.address],
      tls: CERTIFICATE,
      forge: { kind: "gitea", url: gitea.url, repository: repository.fullName },
      backend: "file:///var/lib/deploy-converge/state",
      node: NODE,
    };
  });
  const secret = await fleet.run("pulumi", ["config", "set", "--secret", "deployHookSecret", SECRET]);
  if (secret.code !== 0) throw new Error(secret.stderr);

  const environment = (): NodeJS.ProcessEnv => ({
    ...process.env,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
  });
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: dir, encoding: "utf8", env: environment(), stdio: "pipe" }).trim();
  git("init", "--quiet", "--initial-branch=main");
  writeFileSync(path.join(dir, ".git/info/exclude"), ".hosts/\nnode_modules\n");
  for (const [name, value] of Object.entries({
    "user.name": "Operator",
    "user.email": "operator@example.org",
    "gpg.format": "ssh",
  }))
    git("config", name, value);
  const address = new URL(repository.cloneUrl);
  address.username = "operator";
  address.password = operator.token;
  git("remote", "add", "origin", address.href);
  const commit: DeployBed["commit"] = (message, key = "operator") => {
    const signing = key === "none" ? ["--no-gpg-sign"] : [`--gpg-sign=${keys[key]}`];
    git("add", "--all");
    git("commit", "--quiet", "--allow-empty", ...signing, "--message", message);
    return git("rev-parse", "HEAD");
  };
  return {
    ...{ fleet, control, gitea, repository, operator, deployer, trust, commit, git, keys },
    url: `https://${control.address}`,
    async cleanup() {
      await gitea.stop();
      fleet.cleanup();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

/** Brings the stack up from here, hands its state to the control house, and has the forge call the hook. */
export async function install({ fleet, control, gitea, repository, url }: DeployBed): Promise<void> {
  const up = await fleet.run("up", ["--yes", "--policy-pack", "policies"]);
  if (up.code !== 0) throw new Error(`${up.stdout}\n${up.stderr}`);
  const state = path.join(control.rootFolder, "var/lib/deploy-converge/state");
  cpSync(path.join(fleet.work.dir, ".hosts", ".pulumi"), path.join(state, ".pulumi"), { recursive: true });
  // As `pulumi stack import` by the account that runs there would leave it.
  await inside(
    control,
    "chown -R deploy-converge: /var/lib/deploy-converge && chown -R deploy-build: /var/cache/deploy-build",
  );
  await gitea.webhook(repository, { url: `${url}/hooks/${HOOK_ID}`, secret: SECRET, events: ["push"] });
}
