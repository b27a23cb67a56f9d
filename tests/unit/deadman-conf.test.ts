import { expect, test } from "vitest";

import { deadmanConf, deadmanSecrets } from "../../components/deadman/conf.ts";
import { house } from "./components-fixture.ts";

const args = {
  house: "bezalel",
  path: "/srv/wizards/bezalel",
  user: "wizard-bezalel",
  unit: "hermes-bezalel.service",
  homeUnit: "wizard-home-bezalel.service",
  health: "http://127.0.0.1:8643/health",
  settings: house.deadman,
};

test("every setting is a line", () => {
  expect(deadmanConf(args, true))
    .toBe(`# Settings of the deadman switch of house bezalel. Parsed line by line, never sourced.
NAME=bezalel
HOUSE=/srv/wizards/bezalel
STATE=/var/lib/wizard-houses/bezalel
AGENT_USER=wizard-bezalel
UNIT=hermes-bezalel.service
HOME_UNIT=wizard-home-bezalel.service
HEALTH_URL=http://127.0.0.1:8643/health
GRACE=300
MAX_RETRIES=3
WINDOW=3600
FORGE_API=https://forge.example/api/v1/repos/fleet/houses
SECRETS=/srv/wizards/bezalel/current/deadman/secrets.conf
DRY_RUN=no
`);
});

test("without forge and secrets there is none of either, dry run is said", () => {
  const settings = { grace: 1, maxRetries: 1, window: 1, dryRun: true };
  expect(deadmanConf({ ...args, settings }, false)).toContain("FORGE_API=\nSECRETS=\nDRY_RUN=yes\n");
});

test("secrets have a file of their own", () => {
  expect(deadmanSecrets("bezalel", { PING_URL: "https://ping.example/b", FORGE_TOKEN: "t0ken" })).toBe(
    "# What only root may know of the deadman switch of house bezalel.\n" +
      "PING_URL=https://ping.example/b\nFORGE_TOKEN=t0ken\n",
  );
});

test("a value cannot start a line of its own, and is not printed", () => {
  const unsound = () => deadmanSecrets("bezalel", { PING_URL: "https://x/t0ken\nFORGE_TOKEN=other" });
  expect(unsound).toThrow(/house "bezalel": PING_URL must be one line each/);
  expect(unsound).not.toThrow("t0ken");
  expect(() => deadmanConf({ ...args, unit: "a.service\nDRY_RUN=yes" }, true)).toThrow(
    /UNIT must be one line/,
  );
});
