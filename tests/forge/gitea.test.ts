import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:http";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { VERSIONS } from "../../toolchain/versions.ts";
import { startGitea, type Account, type Gitea } from "./gitea.ts";

let gitea: Gitea;
let operator: Account;

beforeAll(async () => {
  gitea = await startGitea();
  operator = await gitea.user("operator");
});
afterAll(async () => await gitea?.stop());

describe("the Gitea server of the tests", () => {
  it("is the pinned version", async () => {
    await expect(gitea.call(operator, "GET", "version")).resolves.toEqual({ version: VERSIONS.gitea });
  });

  it("holds issues, and keeps others from what is private", async () => {
    const { fullName } = await gitea.repository(operator, "houses", { private: true });
    await gitea.call(operator, "POST", `repos/${fullName}/issues`, { title: "drift: bezalel" });
    await expect(gitea.call(operator, "GET", `repos/${fullName}/issues`)).resolves.toMatchObject([
      { title: "drift: bezalel", state: "open" },
    ]);
    const stranger = await gitea.user("stranger");
    await expect(gitea.call(stranger, "GET", `repos/${fullName}/issues`)).rejects.toThrow("HTTP 404");
  });

  it("keeps a token within its scopes", async () => {
    const repository = await gitea.repository(operator, "scopes");
    const token = await gitea.token(operator, ["read:issue"]);
    const issues = `repos/${repository.fullName}/issues`;
    await expect(gitea.call({ token }, "GET", issues)).resolves.toEqual([]);
    await expect(gitea.call({ token }, "POST", issues, { title: "no" })).rejects.toThrow("HTTP 403");
  });

  it("posts signed push events", async () => {
    const received: { signature: unknown; body: string }[] = [];
    const receiver = await listen((signature, body) => received.push({ signature, body }));
    try {
      const repository = await gitea.repository(operator, "pushed");
      const { port } = receiver.address() as AddressInfo;
      const hook = { url: `http://127.0.0.1:${port}/`, secret: "not a real one", events: ["push"] };
      await gitea.webhook(repository, hook);
      const content = Buffer.from("hello\n").toString("base64");
      const file = { content, message: "A file", branch: "main" };
      await gitea.call(operator, "POST", `repos/${repository.fullName}/contents/hello.txt`, file);
      await expect.poll(() => received.length, { timeout: 15_000 }).toBe(1);
      const [{ signature, body } = { signature: "", body: "" }] = received;
      expect(signature).toBe(createHmac("sha256", hook.secret).update(body).digest("hex"));
      expect(JSON.parse(body)).toMatchObject({ ref: "refs/heads/main", pusher: { login: "operator" } });
    } finally {
      receiver.close();
    }
  });

  it("runs as an ordinary user", () => {
    const status = readFileSync(`/proc/${gitea.pid}/status`, "utf8");
    expect(/^Uid:\s+(\d+)/m.exec(status)?.[1]).toMatch(/^[1-9]/);
  });
});

function listen(onRequest: (signature: unknown, body: string) => void): Promise<Server> {
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      onRequest(request.headers["x-gitea-signature"], body);
      response.end();
    });
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}
