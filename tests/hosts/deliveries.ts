/** Deliveries as forges make them, and as they do not. */
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import https from "node:https";

import { HOOK_ID } from "../../fleet/deploy-hook.ts";

export interface Delivery {
  body: string;
  method?: string;
  path?: string;
  /** Names and values in order; a name may come twice. */
  headers: readonly (readonly [string, string])[];
}

export const hmac = (secret: string, body: string): string =>
  createHmac("sha256", secret).update(body).digest("hex");

let made = 0;
/** Body of a push event in Gitea's shape, as far as it matters; no two are the same. */
export function pushBody(repository: string, change: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    ref: "refs/heads/main",
    before: "0".repeat(40),
    after: (++made).toString(16).padStart(40, "0"),
    repository: { full_name: repository },
    ...change,
  });
}

/** A push event as Gitea signs it. */
export function giteaPush(secret: string, body: string, event = "push"): Delivery {
  return {
    body,
    headers: [
      ["Content-Type", "application/json"],
      ["X-Gitea-Event", event],
      ["X-Gitea-Signature", hmac(secret, body)],
    ],
  };
}

/** The same with headers left out, or others instead. */
export function withHeaders(
  delivery: Delivery,
  drop: readonly string[],
  add: Delivery["headers"] = [],
): Delivery {
  const kept = delivery.headers.filter(([name]) => !drop.includes(name));
  return { ...delivery, headers: [...kept, ...add] };
}

export interface Reply {
  /** 0 where the connection ended without an answer. */
  status: number;
  body: string;
  milliseconds: number;
}

export class Sender {
  readonly #url: URL;
  readonly #ca: string;

  /** @param trust file with the certificate that must be shown */
  constructor(url: string, trust: string) {
    this.#url = new URL(url);
    this.#ca = readFileSync(trust, "utf8");
  }

  send({ body, method = "POST", path = `/hooks/${HOOK_ID}`, headers }: Delivery): Promise<Reply> {
    const from = performance.now();
    return new Promise((resolve) => {
      const done = (status: number, text: string): void =>
        resolve({ status, body: text, milliseconds: performance.now() - from });
      const request = https.request(
        {
          ...{
            host: this.#url.hostname,
            port: 443,
            path,
            method,
            ca: this.#ca,
            agent: false,
            timeout: 30_000,
          },
          headers: [
            ["Host", this.#url.host],
            ["Content-Length", String(Buffer.byteLength(body))],
            ...headers,
          ].flat(),
        },
        (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (part: string) => (text += part));
          response.on("end", () => done(response.statusCode ?? 0, text.trim()));
          response.on("error", () => done(response.statusCode ?? 0, text));
        },
      );
      request.on("timeout", () => request.destroy());
      // A server that refuses a body early closes the connection while it is sent.
      request.on("error", () => done(0, ""));
      request.end(body);
    });
  }

  get(path: string): Promise<Reply> {
    return this.send({ body: "", method: "GET", path, headers: [] });
  }

  /** Opens a connection, sends the head of a delivery and then a byte now and then. Resolves when the server has had enough. */
  drip(head: string): Promise<number> {
    const from = performance.now();
    return new Promise((resolve) => {
      const socket = https.request({
        ...{ host: this.#url.hostname, port: 443, path: `/hooks/${HOOK_ID}`, method: "POST", ca: this.#ca },
        ...{ agent: false, headers: { "Content-Type": "application/json", "Content-Length": 500_000 } },
      });
      socket.write(head);
      const timer = setInterval(() => socket.write(" "), 500);
      const end = (): void => {
        clearInterval(timer);
        resolve(performance.now() - from);
      };
      socket.on("error", end);
      socket.on("close", end);
      socket.on("response", (response) => response.resume());
    });
  }
}
