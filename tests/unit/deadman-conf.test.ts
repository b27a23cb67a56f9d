import { expect, test } from "vitest";

import { deadmanConf } from "../../components/deadman/conf.ts";
import { house } from "./components-fixture.ts";

const args = {
  house: "bezalel",
  path: "/srv/wizards/bezalel",
  user: "wizard-bezalel",
  unit: "hermes-bezalel.service",
  health: "http://127.0.0.1:8643/health",
  settings: house.deadman,
};

test("every setting is a line", () => {
  expect(deadmanConf(args))
    .toBe(`# Settings of the deadman switch of house bezalel. Parsed line by line, never sourced.
NAME=bezalel
HOUSE=/srv/wizards/bezalel
STATE=/var/lib/wizard-houses/bezalel
AGENT_USER=wizard-bezalel
UNIT=hermes-bezalel.service
HEALTH_URL=http://127.0.0.1:8643/health
GRACE=300
MAX_RETRIES=3
WINDOW=3600
PING_URL=https://ping.example/b
WEBHOOK_URL=https://alerts.example/hook
DRY_RUN=no
`);
});

test("URLs that are not set are empty, dry run is said", () => {
  const text = deadmanConf({ ...args, settings: { grace: 1, maxRetries: 1, window: 1, dryRun: true } });
  expect(text).toContain("PING_URL=\nWEBHOOK_URL=\nDRY_RUN=yes\n");
});

test("a value cannot start a line of its own, and is not printed", () => {
  const settings = { ...house.deadman, pingUrl: "https://x/t0ken\nDRY_RUN=yes" };
  expect(() => deadmanConf({ ...args, settings })).toThrow(/house "bezalel": PING_URL must be one line each/);
  expect(() => deadmanConf({ ...args, settings })).not.toThrow("t0ken");
});
