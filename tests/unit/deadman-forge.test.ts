/**
 * What the deadman switch makes of a forge that fails, lies or answers without end: the real script and the real curl
 * against a server of this process. What a real forge does with it is seen in tests/hosts/forge.test.ts.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";

import { fakeHouse, type FakeHouse, silentHouse } from "./deadman-house.ts";

const linuxOnly = process.platform === "linux" ? describe : describe.skip;
const TOKEN = "t0ken-of-root";
const REPOSITORY = "/api/v1/repos/fleet/houses";

interface Issue {
  number: number;
  title: string;
  body: string;
  state: string;
  comments: string[];
}

/** What a test does instead of answering; false lets the answer be given. */
type Fault = (request: string, response: ServerResponse, made: () => void) => boolean;

interface Forge {
  api: string;
  issues: Issue[];
  /** Method and path of each request, in order. */
  requests: string[];
  fault: Fault;
  stop: () => Promise<void>;
}

const running: Forge[] = [];
afterEach(() => Promise.all(running.splice(0).map(({ stop }) => stop())));

const read = async (request: IncomingMessage): Promise<string> => {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += String(chunk);
  return text;
};

/** An issue with its members in the order of Gitea's and Forgejo's `structs.Issue`. */
const asJson = ({ number, title, body, state, comments }: Issue) => ({
  id: number + 1000,
  url: `http://forge/api/v1/repos/fleet/houses/issues/${number}`,
  number,
  user: { id: 7, login: "switch" },
  original_author: "",
  original_author_id: 0,
  title,
  body,
  labels: [],
  milestone: { id: 3, title: "spring", state: "open", closed_at: null },
  state,
  is_locked: false,
  comments: comments.length,
  pull_request: null,
  repository: { id: 1, name: "houses" },
});

/** A forge with one repository. Requests that the switch has no business with are answered with 500, and so fail a test. */
async function startForge(port = 0): Promise<Forge> {
  const forge: Forge = {
    api: "",
    issues: [],
    requests: [],
    fault: () => false,
    stop: () => Promise.resolve(),
  };
  const answer = (response: ServerResponse, status: number, value: unknown): void => {
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const text = await read(request);
    const url = new URL(request.url ?? "", "http://forge");
    const what = `${request.method} ${url.pathname.replace(REPOSITORY, "")}`;
    forge.requests.push(what);
    expect(request.headers.authorization).toBe(`token ${TOKEN}`);
    const [, number, comments] =
      /^\/issues\/(\d+)(\/comments)?$/.exec(url.pathname.replace(REPOSITORY, "")) ?? [];
    const issue = forge.issues.find((one) => one.number === Number(number));
    let reply: [number, unknown] = [500, {}];
    const make = (): void => {
      const { title, body } = (text === "" ? {} : JSON.parse(text)) as { title: string; body: string };
      if (what === "POST /issues") {
        const made = { number: forge.issues.length + 1, title, body, state: "open", comments: [] };
        forge.issues.unshift(made);
        reply = [201, asJson(made)];
      } else if (what === "GET /issues") {
        expect(Object.fromEntries(url.searchParams)).toMatchObject({
          state: "all",
          type: "issues",
          limit: "50",
        });
        reply = [200, forge.issues.map(asJson)];
      } else if (issue === undefined) reply = [404, { message: "not found" }];
      else if (request.method === "GET")
        reply = [200, comments ? issue.comments.map((body) => ({ body })) : asJson(issue)];
      else if (request.method === "POST" && comments) {
        issue.comments.push(body);
        reply = [201, { id: 1, body }];
      }
    };
    if (forge.fault(what, response, make)) return;
    make();
    answer(response, ...reply);
  };
  const server: Server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  forge.api = `http://127.0.0.1:${(server.address() as AddressInfo).port}${REPOSITORY}`;
  forge.stop = () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  running.push(forge);
  return forge;
}

/** A house that gives up at the next look, with the real curl. */
function givenUp(api: string, settings: Record<string, string> = {}): FakeHouse {
  const house = silentHouse({ MAX_RETRIES: "0", FORGE_API: api, FORGE_TOKEN: TOKEN, ...settings });
  rmSync(house.at("bin/curl"));
  return house;
}

/** A human has taken the flag away, and the house falls silent again. */
async function again(house: FakeHouse): Promise<void> {
  rmSync(house.at("state/deadman_active"));
  await house.look();
  house.silentFor(6);
  await house.look();
}

const waiting = (house: FakeHouse): number =>
  existsSync(house.at("state/forge")) ? readdirSync(house.at("state/forge")).length : 0;

linuxOnly("a house that is given up", () => {
  test("gets an issue, once", async () => {
    const forge = await startForge();
    const house = givenUp(forge.api);
    expect(await house.look()).toEqual({ status: 0, stderr: "" });
    expect(await house.look()).toEqual({ status: 0, stderr: "" });
    expect(forge.issues).toHaveLength(1);
    expect(forge.issues[0]?.title).toBe("House bezalel was given up by its deadman switch");
    expect(forge.issues[0]?.body).toMatch(
      /^no sign of life for \d+ s, .*\n\nWhen it is repaired: `npm run deadman -- clear bezalel -s <stack>`.*\n\n20\S+Z, deadman-bezalel-\d+-[0-9a-f]{8}$/s,
    );
    expect(house.read("state/forge.issue")).toBe(`1 ${forge.api}\n`);
    expect(waiting(house)).toBe(0);
  });

  test("gets a comment while that is open, another issue once it is closed or gone", async () => {
    const forge = await startForge();
    const house = givenUp(forge.api);
    await house.look();
    await again(house);
    expect(forge.issues.map(({ comments }) => comments.length)).toEqual([1]);
    expect(forge.issues[0]?.comments[0]).toMatch(/^deadman_active: no sign of life/);
    forge.issues[0]!.state = "closed";
    await again(house);
    expect(forge.issues.map(({ number, comments }) => [number, comments.length])).toEqual([
      [2, 0],
      [1, 1],
    ]);
    forge.issues.splice(0);
    await again(house);
    expect(forge.issues).toHaveLength(1);
  });

  test("at another repository, gets another issue", async () => {
    const forge = await startForge();
    const house = givenUp(forge.api);
    house.write("state/forge.issue", "7 http://127.0.0.1/api/v1/repos/other/place\n");
    await house.look();
    expect(forge.requests).toEqual(["GET /issues", "POST /issues"]);
    expect(house.read("state/forge.issue")).toBe(`1 ${forge.api}\n`);
  });
});

linuxOnly("a restart", () => {
  const restarting = (api: string): FakeHouse => givenUp(api, { MAX_RETRIES: "3" });

  test("is nothing to a forge without an open issue", async () => {
    const forge = await startForge();
    const house = restarting(forge.api);
    await house.look();
    expect(house.read("log")).toContain("daemon.alert restart: ");
    expect([forge.requests, existsSync(house.at("state/forge"))]).toEqual([[], false]);
    house.write("state/forge.issue", `1 ${forge.api}\n`);
    forge.issues.push({ number: 1, title: "", body: "", state: "closed", comments: [] });
    house.silentFor(6);
    await house.look();
    expect(forge.requests).toEqual(["GET /issues/1"]);
    expect(waiting(house)).toBe(0);
  });

  test("is a comment where one is open", async () => {
    const forge = await startForge();
    const house = restarting(forge.api);
    house.write("state/forge.issue", `1 ${forge.api}\n`);
    forge.issues.push({ number: 1, title: "", body: "", state: "open", comments: [] });
    await house.look();
    expect(forge.issues[0]?.comments).toEqual([
      expect.stringMatching(/^restart: no sign of life .*attempt 1 of 3: go back from release new to old/),
    ]);
  });
});

linuxOnly("a forge that fails", () => {
  test("gets the alert when it is back, also after a reboot, and once", async () => {
    const { api, stop } = await startForge();
    running.pop();
    await stop();
    const house = givenUp(api);
    for (let round = 0; round < 2; round++) expect((await house.look()).status).toBe(0);
    expect(house.read("log")).toContain(
      "an alert waits for the forge, which was to show its newest issues: no answer (curl: error 7)",
    );
    expect(waiting(house)).toBe(1);
    house.write("state/alive", "another-boot 17\n");
    const forge = await startForge(Number(new URL(api).port));
    for (let round = 0; round < 2; round++) await house.look();
    expect(forge.issues).toHaveLength(1);
    expect(waiting(house)).toBe(0);
  });

  test("and had opened the issue all the same, is not asked for another", async () => {
    const forge = await startForge();
    forge.fault = (request, response, made) => {
      if (request !== "POST /issues") return false;
      made();
      response.destroy();
      return true;
    };
    const house = givenUp(forge.api);
    await house.look();
    expect(waiting(house)).toBe(1);
    forge.issues.unshift({
      number: 9,
      title: 'a "number":5, in it',
      body: '{"number":6,',
      state: "open",
      comments: [],
    });
    await house.look();
    expect(forge.requests.filter((request) => request === "POST /issues")).toHaveLength(1);
    expect(house.read("state/forge.issue")).toBe(`1 ${forge.api}\n`);
  });

  test("and had taken the comment all the same, is not sent another", async () => {
    const forge = await startForge();
    const house = givenUp(forge.api);
    await house.look();
    forge.fault = (request, response, made) => {
      if (request !== "POST /issues/1/comments") return false;
      made();
      response.destroy();
      return true;
    };
    await again(house);
    await house.look();
    expect(forge.issues[0]?.comments).toHaveLength(1);
    expect(waiting(house)).toBe(0);
  });

  test.each([
    [401, "it does not know the token"],
    [403, "it needs the scope write:issue"],
    [404, "there is no such repository, or not for this token"],
    [500, "it answers 500"],
  ])("%i: is told in words of ours, and tried again", async (status, words) => {
    const forge = await startForge();
    forge.fault = (_, response) => {
      response.writeHead(status).end(`{"message":"hostile words ${TOKEN}"}`);
      return true;
    };
    const house = givenUp(forge.api);
    expect(await house.look()).toEqual({ status: 0, stderr: "" });
    expect(house.read("log")).toContain(words);
    expect(house.read("log")).not.toMatch(/hostile|t0ken/);
    expect(waiting(house)).toBe(1);
  });
});

linuxOnly("a hostile forge", () => {
  test("leads the token nowhere else", async () => {
    const [forge, thief] = [await startForge(), await startForge()];
    forge.fault = (_, response) => {
      response.writeHead(307, { Location: `${thief.api}/issues` }).end();
      return true;
    };
    const house = givenUp(forge.api);
    await house.look();
    expect(thief.requests).toEqual([]);
    expect(house.read("log")).toContain("it redirects, which is not followed");
  });

  test("cannot answer for ever", async () => {
    const forge = await startForge();
    let sent = 0;
    forge.fault = (_, response) => {
      response.writeHead(200);
      const more = (): void => {
        sent += 65_536;
        if (!response.destroyed) response.write("x".repeat(65_536), () => setImmediate(more));
      };
      more();
      return true;
    };
    const house = givenUp(forge.api);
    const began = Date.now();
    await house.look();
    // Cut in the middle it is no list of issues, and none of ours is in it: the alert is sent, into the same answer.
    expect(Date.now() - began).toBeLessThan(25_000);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    expect(waiting(house)).toBe(1);
    expect(readdirSync(house.at("state")).sort()).not.toContain("forge.issue");
  }, 60_000);

  test.each([
    ["no number", "{}"],
    ["a number that is none", '{"number":"1; rm -rf /",'],
    ["shell", '{"number":$(touch owned),'],
    ["too long a number", '{"number":12345678901234567890,'],
  ])("that opens an issue and answers with %s is not asked for another one every minute", async (_, body) => {
    const forge = await startForge();
    forge.fault = (request, response) => {
      if (request !== "POST /issues") return false;
      response.writeHead(201).end(body);
      return true;
    };
    const house = givenUp(forge.api);
    for (let round = 0; round < 3; round++) await house.look();
    expect(forge.requests).toEqual(["GET /issues", "POST /issues"]);
    expect(existsSync(house.at("state/forge.issue"))).toBe(false);
    expect(house.read("log")).toContain("does not say which");
  });

  test("that does not say whether the issue is open keeps the alert waiting", async () => {
    const forge = await startForge();
    const house = givenUp(forge.api);
    await house.look();
    forge.issues[0]!.state = "ajar";
    await again(house);
    expect(house.read("log")).toContain("which does not say whether its issue 1 is open");
    expect(waiting(house)).toBe(1);
  });
});

linuxOnly("alerts for the forge", () => {
  test("are bounded in number", async () => {
    const house = givenUp("http://127.0.0.1:9/api/v1/repos/fleet/houses");
    for (let event = 0; event < 50; event++)
      house.write(`state/forge/17000000${event}-0`, "deadman_active\tx\ty\n");
    await house.look();
    expect(waiting(house)).toBe(50);
    expect(house.read("log")).toContain("50 alerts wait for the forge; this one is not sent there");
  });

  test("go out with the token on curl's standard input, not in its arguments", () => {
    const house = silentHouse({
      MAX_RETRIES: "0",
      FORGE_API: "http://forge.example/api",
      FORGE_TOKEN: TOKEN,
    });
    house.run();
    const lines = house.read("curl-calls").split("\n");
    expect(lines).toContain(`header = "Authorization: token ${TOKEN}"`);
    for (const line of lines.filter((one) => one.startsWith("argv = "))) expect(line).not.toContain(TOKEN);
    expect(lines.filter((one) => one.startsWith("argv = "))).not.toEqual([]);
  });

  test("are nobody's where no forge is set", () => {
    const house = fakeHouse({ GRACE: "5", MAX_RETRIES: "0" });
    house.run();
    house.silentFor(6);
    house.run();
    expect(existsSync(house.at("state/deadman_active"))).toBe(true);
    expect(waiting(house)).toBe(0);
  });
});
