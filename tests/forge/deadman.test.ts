/**
 * The deadman switch's alerts at a real Gitea, over a cable that can be cut: the real script and the real curl, on a house
 * in a folder. What it makes of a forge that lies is in tests/unit/deadman-forge.test.ts.
 */
import { rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { type FakeHouse, silentHouse } from "../unit/deadman-house.ts";
import { type Account, type Gitea, startGitea } from "./gitea.ts";

interface Issue {
  number: number;
  title: string;
  body: string;
  state: string;
  user: { login: string };
}

let gitea: Gitea;
let fleet: Account;
let watchman: Account;
let cable: Cable;

/** Bytes to and from the server as they are, unless it is cut, or what the server answers to POSTs gets lost. */
class Cable {
  losesAnswers = false;
  readonly #server: Server;
  readonly #ends = new Set<Socket>();

  constructor(to: URL) {
    this.#server = createServer((near) => {
      const far = connect(Number(to.port), to.hostname);
      for (const end of [near, far]) {
        this.#ends.add(end);
        end.on("error", () => end.destroy()).on("close", () => this.#ends.delete(end));
      }
      let lost = false;
      near.on("data", (bytes: Buffer) => {
        lost ||= this.losesAnswers && bytes.toString("latin1").startsWith("POST ");
        far.write(bytes);
      });
      far.on("data", (bytes: Buffer) => (lost ? near.destroy() : near.write(bytes)));
      far.on("close", () => near.end());
      near.on("close", () => far.end());
    });
  }

  listen(port = 0): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
  }

  cut(): Promise<void> {
    for (const end of this.#ends) end.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }
}

/** A private repository of the fleet's, in which the watchman may read and write issues; and what is in it. */
async function repository(name: string) {
  const { fullName } = await gitea.repository(fleet, name, { private: true });
  const at = `repos/${fullName}`;
  await gitea.call(fleet, "PUT", `${at}/collaborators/${watchman.name}`, { permission: "read" });
  return {
    at,
    api: `http://127.0.0.1:${cable.port}/api/v1/${at}`,
    issues: () => gitea.call<Issue[]>(fleet, "GET", `${at}/issues?state=all&limit=50`),
    comments: async (number: number) =>
      (await gitea.call<{ body: string }[]>(fleet, "GET", `${at}/issues/${number}/comments`)).map(
        ({ body }) => body,
      ),
    close: (number: number) => gitea.call(fleet, "PATCH", `${at}/issues/${number}`, { state: "closed" }),
  };
}

/** A house that gives up at its next look, with the real curl. */
function givenUp(api: string, token = watchman.token): FakeHouse {
  const house = silentHouse({ MAX_RETRIES: "0", FORGE_API: api, FORGE_TOKEN: token });
  rmSync(house.at("bin/curl"));
  return house;
}

async function look(house: FakeHouse): Promise<void> {
  expect(await house.look()).toEqual({ status: 0, stderr: "" });
}

/** A human has taken the flag away, and the house falls silent again. */
async function again(house: FakeHouse): Promise<void> {
  rmSync(house.at("state/deadman_active"));
  await look(house);
  house.silentFor(6);
  await look(house);
}

beforeAll(async () => {
  gitea = await startGitea();
  fleet = await gitea.user("fleet");
  watchman = await gitea.user("watchman", ["write:issue"]);
  cable = new Cable(new URL(gitea.url));
  await cable.listen();
});
afterAll(async () => {
  await cable?.cut();
  await gitea?.stop();
});

describe("with a token that can do no more than write issues, a house that is given up", () => {
  it("has one issue, with comments while that is open, and another when it was closed", async () => {
    const { api, issues, comments, close } = await repository("houses");
    const house = givenUp(api);
    await look(house);
    await look(house);
    const [first, ...others] = await issues();
    expect(others).toEqual([]);
    expect(first).toMatchObject({
      title: "House bezalel was given up by its deadman switch",
      state: "open",
      user: { login: "watchman" },
    });
    expect(first?.body).toMatch(
      /^no sign of life for \d+ s, .*\n\nWhen it is repaired: `npm run deadman -- clear bezalel -s <stack>`/s,
    );
    await again(house);
    expect(await issues()).toHaveLength(1);
    expect(await comments(1)).toEqual([expect.stringMatching(/^deadman_active: no sign of life/)]);
    await close(1);
    await again(house);
    expect((await issues()).map(({ number, state }) => [number, state])).toEqual([
      [2, "open"],
      [1, "closed"],
    ]);
    expect(await comments(1)).toHaveLength(1);
  });

  it("says in the journal that the token may not, and asks again with one that may", async () => {
    const { api, issues } = await repository("scopes");
    const house = givenUp(api, await gitea.token(watchman, ["read:issue"]));
    await look(house);
    expect(house.read("log")).toContain(
      "was to open an issue: the token may not: it needs the scope write:issue",
    );
    house.write("secrets.conf", `FORGE_TOKEN=${await gitea.token(watchman, ["read:user"])}\n`);
    await look(house);
    expect(house.read("log")).toContain("was to show its newest issues: the token may not");
    house.write("secrets.conf", "FORGE_TOKEN=0123456789012345678901234567890123456789\n");
    await look(house);
    expect(house.read("log")).toContain("it does not know the token");
    expect(await issues()).toEqual([]);
    house.write("secrets.conf", `FORGE_TOKEN=${watchman.token}\n`);
    await look(house);
    expect(await issues()).toHaveLength(1);
  });

  it("does not follow a repository to where it was moved, and says so", async () => {
    const { at, api } = await repository("moved");
    await gitea.call(fleet, "PATCH", at, { name: "elsewhere" });
    const house = givenUp(api);
    await look(house);
    expect(house.read("log")).toContain("it redirects, which is not followed");
    expect(await gitea.call<Issue[]>(fleet, "GET", "repos/fleet/elsewhere/issues")).toEqual([]);
  });
});

describe("when the cable is cut", () => {
  it("for two rounds, the alert goes out afterwards, once", async () => {
    const { api, issues } = await repository("cut");
    const house = givenUp(api);
    const { port } = cable;
    await cable.cut();
    await look(house);
    await look(house);
    expect(house.read("log").match(/no answer \(curl: error 7\)/g)).toHaveLength(2);
    await cable.listen(port);
    await look(house);
    await look(house);
    expect(await issues()).toHaveLength(1);
  });

  it("behind the request, what the forge has made is found among much else and not made twice", async () => {
    const { at, api, issues, comments } = await repository("lost");
    // More than is looked at of an answer.
    const long = "x".repeat(60_000);
    for (let number = 1; number <= 20; number++)
      await gitea.call(fleet, "POST", `${at}/issues`, { title: `"number":${number},`, body: long });
    const house = givenUp(api);
    cable.losesAnswers = true;
    await look(house);
    expect(house.read("log")).toContain("was to open an issue: no answer");
    cable.losesAnswers = false;
    await look(house);
    expect(house.read("log")).toContain("the forge has issue 21 for this");
    cable.losesAnswers = true;
    await again(house);
    cable.losesAnswers = false;
    await look(house);
    expect(await comments(21)).toHaveLength(1);
    expect((await issues()).filter(({ user }) => user.login === "watchman")).toHaveLength(1);
  });
});
