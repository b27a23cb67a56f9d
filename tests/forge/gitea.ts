/** A real Gitea server for tests: an ordinary user's process, on SQLite, in a temporary folder of its own. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { ensureGoTool } from "../../toolchain/go-tools.ts";

export interface GiteaOptions {
  /** An address of this machine. Default 127.0.0.1; a test bed's machines reach their `gateway`. */
  address?: string;
  /** File with the certificates that receivers of its events may show. Default: those of this machine. */
  trust?: string;
}

export interface Account {
  name: string;
  /** May do whatever the account may. */
  token: string;
}

export interface Repository {
  owner: string;
  name: string;
  /** `<owner>/<name>` */
  fullName: string;
  /** Where git fetches and pushes over HTTP; a token goes in as the password. */
  cloneUrl: string;
}

export interface Gitea {
  /** Without a slash at its end. */
  url: string;
  /** Its process. */
  pid: number;
  /** May do everything. */
  admin: Account;
  /** Makes an account with a token of the given scopes, by default for everything that is not an administrator's. */
  user(name: string, scopes?: readonly string[]): Promise<Account>;
  /** Another token of the same account, as `read:repository` or `write:issue`. */
  token(account: Account, scopes: readonly string[]): Promise<string>;
  /** Makes a repository with a first commit on `main`. */
  repository(owner: Account, name: string, options?: { private?: boolean }): Promise<Repository>;
  /** Has the server post events, such as `push`, to a URL, signed with the secret. */
  webhook(repository: Repository, hook: { url: string; secret: string; events: string[] }): Promise<void>;
  /** Calls `/api/v1/<path>`. Rejects, with what the server says, where it does not answer 2xx. */
  call<T = unknown>(
    account: Pick<Account, "token">,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<T>;
  /** What the server has written to its log so far. */
  log(): string;
  /** Ends it and removes what it wrote. */
  stop(): Promise<void>;
}

/** Scopes of an account that administers nothing but what is its own. */
const ORDINARY = ["write:repository", "write:issue", "write:user", "write:organization"];

/** Milliseconds until the first answer: the database is made in this time. */
const STARTED_WITHIN = 60_000;

/** Builds the server where it is missing, which takes minutes once, and starts it. */
export async function startGitea({ address = "127.0.0.1", trust }: GiteaOptions = {}): Promise<Gitea> {
  const installed = await ensureGoTool("gitea", (line) => console.log(line));
  const folder = mkdtempSync(path.join(os.tmpdir(), "gitea-"));
  try {
    const place = new Place(folder, installed, trust);
    const url = `http://${address}:${await freePort(address)}`;
    place.configure(new URL(url));
    await place.run(["migrate"]);
    const admin = await makeAdmin(place);
    const server = new Server(place);
    try {
      await server.answers(url);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return client(url, admin, server);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The server's folder, and how its program is run there. */
class Place {
  readonly folder: string;
  readonly #program: string;
  readonly #config: string;
  readonly #trust: string | undefined;
  readonly #owner: { uid: number; gid: number } | undefined;

  constructor(folder: string, installed: string, trust: string | undefined) {
    this.folder = folder;
    this.#trust = trust;
    this.#config = path.join(folder, "app.ini");
    this.#program = path.join(folder, "program", "gitea");
    // It refuses to run as root. Another account may not be able to enter the cache, so it gets a copy.
    this.#owner = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
    cpSync(installed, path.dirname(this.#program), { recursive: true });
    chmodSync(folder, 0o711);
    mkdirSync(this.#data);
    if (this.#owner) chownSync(this.#data, this.#owner.uid, this.#owner.gid);
  }

  get #data(): string {
    return path.join(this.folder, "data");
  }

  configure(url: URL): void {
    const data = this.#data;
    const sections: Record<string, Record<string, string | number | boolean>> = {
      server: {
        HTTP_ADDR: url.hostname,
        HTTP_PORT: url.port,
        ROOT_URL: `${url.origin}/`,
        STATIC_ROOT_PATH: path.dirname(this.#program),
        APP_DATA_PATH: data,
        DISABLE_SSH: true,
        OFFLINE_MODE: true,
      },
      database: { DB_TYPE: "sqlite3", PATH: path.join(data, "gitea.db") },
      repository: { ROOT: path.join(data, "repositories"), DEFAULT_BRANCH: "main" },
      indexer: { ISSUE_INDEXER_TYPE: "db" },
      log: { MODE: "console", LEVEL: "Warn" },
      // Given here, since the server would otherwise write what it makes up into this file.
      security: {
        INSTALL_LOCK: true,
        SECRET_KEY: randomBytes(32).toString("hex"),
        INTERNAL_TOKEN: randomBytes(32).toString("hex"),
      },
      oauth2: { ENABLED: false, JWT_SECRET: randomBytes(32).toString("base64url") },
      lfs: { LFS_START_SERVER: false },
      service: { DISABLE_REGISTRATION: true },
      // Receivers of a test are on this machine or in a test bed.
      webhook: { ALLOWED_HOST_LIST: "loopback, private, 198.18.0.0/15" },
      "cron.update_checker": { ENABLED: false },
    };
    const text = Object.entries(sections).map(([section, keys]) =>
      [`[${section}]`, ...Object.entries(keys).map(([key, value]) => `${key} = ${value}`), ""].join("\n"),
    );
    writeFileSync(this.#config, text.join("\n"), { mode: 0o640 });
    if (this.#owner) chownSync(this.#config, this.#owner.uid, this.#owner.gid);
  }

  get #settings() {
    const env = {
      PATH: process.env["PATH"],
      HOME: this.#data,
      GITEA_WORK_DIR: this.#data,
      ...(this.#trust !== undefined && { SSL_CERT_FILE: this.#trust }),
    };
    return { cwd: this.#data, env, ...this.#owner };
  }

  async run(args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(
      this.#program,
      ["--config", this.#config, ...args],
      this.#settings,
    );
    return stdout;
  }

  start(): ChildProcess {
    return spawn(this.#program, ["--config", this.#config, "web"], {
      ...this.#settings,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }
}

async function makeAdmin(place: Place): Promise<Account> {
  const account = ["--username", "overseer", "--email", "overseer@forge.test", "--random-password"];
  const token = ["--access-token", "--access-token-name", "tests", "--access-token-scopes", "all"];
  const said = await place.run(["admin", "user", "create", "--admin", ...account, ...token]);
  const made = /Access token was successfully created\D*?([0-9a-f]{40})/.exec(said)?.[1];
  if (made === undefined) throw new Error(`Gitea made an administrator without a token: ${said}`);
  return { name: "overseer", token: made };
}

class Server {
  readonly #place: Place;
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;
  #log = "";
  readonly #endWithUs = (): void => void this.#process.kill("SIGKILL");

  constructor(place: Place) {
    this.#place = place;
    this.#process = place.start();
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => (this.#log += text));
    this.#ended = new Promise((resolve) => {
      this.#process.on("error", (error) => {
        this.#log += error.message;
        resolve();
      });
      this.#process.on("close", () => resolve());
    });
    process.on("exit", this.#endWithUs);
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error(`Gitea cannot be started: ${this.#log}`);
    return this.#process.pid;
  }

  log(): string {
    return this.#log;
  }

  async answers(url: string): Promise<void> {
    const deadline = Date.now() + STARTED_WITHIN;
    let ended = false;
    void this.#ended.then(() => (ended = true));
    while (Date.now() < deadline && !ended) {
      // Until it listens, connections are refused.
      const answer = await fetch(`${url}/api/healthz`).catch(() => undefined);
      if (answer?.ok) return;
      await sleep(100);
    }
    throw new Error(`Gitea ${ended ? "ended" : "does not answer"}: ${this.#log.slice(-2000)}`);
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    const forced = setTimeout(this.#endWithUs, 10_000);
    await this.#ended;
    clearTimeout(forced);
    process.off("exit", this.#endWithUs);
    rmSync(this.#place.folder, { recursive: true, force: true });
  }
}

function client(url: string, admin: Account, server: Server): Gitea {
  const call: Gitea["call"] = (account, method, place, body) =>
    request(url, `token ${account.token}`, method, place, body);
  const passwords = new Map<string, string>();
  const token: Gitea["token"] = async ({ name }, scopes) => {
    const basic = `Basic ${Buffer.from(`${name}:${passwords.get(name)}`).toString("base64")}`;
    const made = { name: randomBytes(8).toString("hex"), scopes };
    return (await request<{ sha1: string }>(url, basic, "POST", `users/${name}/tokens`, made)).sha1;
  };
  return {
    url,
    pid: server.pid,
    admin,
    call,
    token,
    async user(name, scopes = ORDINARY) {
      const password = randomBytes(16).toString("base64url");
      passwords.set(name, password);
      const made = { username: name, email: `${name}@forge.test`, password, must_change_password: false };
      await call(admin, "POST", "admin/users", made);
      return { name, token: await token({ name, token: "" }, scopes) };
    },
    async repository(owner, name, options = {}) {
      const wanted = { name, auto_init: true, default_branch: "main", private: options.private ?? false };
      const made = await call<{ full_name: string; clone_url: string }>(owner, "POST", "user/repos", wanted);
      return { owner: owner.name, name, fullName: made.full_name, cloneUrl: made.clone_url };
    },
    async webhook({ fullName }, { url: target, secret, events }) {
      const config = { url: target, secret, content_type: "json" };
      await call(admin, "POST", `repos/${fullName}/hooks`, { type: "gitea", active: true, events, config });
    },
    log: () => server.log(),
    stop: () => server.stop(),
  };
}

async function request<T>(
  url: string,
  authorization: string,
  method: string,
  place: string,
  body?: unknown,
): Promise<T> {
  const answer = await fetch(`${url}/api/v1/${place}`, {
    method,
    headers: { authorization, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${place}: HTTP ${answer.status}: ${text.slice(0, 500)}`);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/**
 * One that nobody listens on, below those that the kernel hands out by itself: the server binds it seconds later, when it has
 * made its database.
 */
async function freePort(address: string): Promise<number> {
  for (let tries = 0; tries < 20; tries++) {
    const port = randomInt(20_000, 32_000);
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, address, () => probe.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
  throw new Error(`no free port on ${address}`);
}
