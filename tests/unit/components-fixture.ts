/** A house for component tests: small, and with a value of its own in every field that reaches a resource. */
import type { House, RenderedHouse } from "../../fleet/model.ts";
import { SCHEDULED_DEFAULTS } from "../../fleet/scheduled.ts";

export const house: House = {
  name: "bezalel",
  host: "forge",
  role: "builds things",
  path: "/srv/wizards/bezalel",
  user: "wizard-bezalel",
  ports: { health: 8643 },
  providers: [
    { provider: "kimi-coding", model: "kimi-k2.5", keyEnv: "KIMI_API_KEY" },
    { provider: "custom", model: "qwen3-8b", baseUrl: "http://127.0.0.1:8081/v1" },
  ],
  toolsets: ["hermes-cli"],
  skin: "bezalel",
  keys: ["TELEGRAM_BOT_TOKEN"],
  cron: [{ name: "tidy", schedule: "0 4 * * *", user: "wizard-bezalel", command: ["/usr/bin/true"] }],
  jobs: [],
  deadman: {
    grace: 300,
    maxRetries: 3,
    window: 3600,
    pingUrlKey: "DEADMAN_PING_URL",
    webhookUrlKey: "DEADMAN_WEBHOOK_URL",
    forge: { url: "https://forge.example", repository: "fleet/houses", tokenKey: "DEADMAN_FORGE_TOKEN" },
    dryRun: false,
  },
  requestLog: { maxBytes: 1_000_000, keep: 4 },
  scheduled: SCHEDULED_DEFAULTS,
  sandbox: { write: ["/srv/builds"], allow: ["debugging"] },
  harness: { version: "0.19.0", venv: "/opt/hermes/venv" },
  adopt: false,
};

export const rendered: RenderedHouse = {
  config: { agent: { restart_drain_timeout: 45 } },
  files: {
    "config.yaml": "model: {default: kimi-k2.5}\n",
    "golden.yaml": "model: {default: kimi-k2.5}\n",
    "SOUL.md": "I am Bezalel.\n",
    "skins/bezalel.yaml": "name: bezalel\n",
    "channel_aliases.json": "{}\n",
    "jobs.json": '{"jobs": []}\n',
    "banned.json": "[]\n",
  },
  links: { "home/SOUL.md": "SOUL.md", "home/skins/bezalel.yaml": "skins/bezalel.yaml" },
  keys: ["API_SERVER_KEY", "KIMI_API_KEY"],
  env: { API_SERVER_PORT: "8643" },
};
