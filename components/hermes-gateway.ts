/** HermesGateway: the hardened unit that runs the agent. */
import * as pulumi from "@pulumi/pulumi";

import type { Harness, SandboxSettings } from "../fleet/model.ts";
import { DRAIN } from "./drain/command-lines.ts";
import { HARNESS_LINK } from "./gateway/harness.ts";
import { gatewayHealth } from "./gateway/health.ts";
import { sandboxGroups } from "./gateway/sandbox.ts";
import { gatewayUnit, homeUnit, homeUnitName } from "./gateway/unit.ts";
import type { ReleasePart } from "./part.ts";
import { source } from "./source.ts";

export interface HermesGatewayArgs {
  /** Name of the house. Example: `bezalel`. */
  house: string;
  /** Absolute path of the house on its host. Example: `/srv/wizards/bezalel`. */
  path: string;
  /** The agent's account and group. Example: `wizard-bezalel`. */
  user: string;
  /** The harness it runs. Example: `{version: "0.19.0", venv: "/opt/hermes/venv"}`. */
  harness: Harness;
  /** Port of the health endpoint on the loopback address. Example: `8643`. */
  port: number;
  /** Seconds the gateway may take to finish running work when it is stopped. Default 0. Example: `20`. */
  drainTimeout?: number;
  /** What is opened beyond the common sandbox. Default nothing. Example: `{write: ["/srv/builds"], allow: ["debugging"]}`. */
  sandbox?: SandboxSettings;
}

/**
 * Contributes `hermes-<house>.service`, the unit that prepares the home for it, the check of a new release, and the
 * agent's home. Only what the gateway reads at start restarts it; SOUL.md and skins are read as they are used.
 *
 *     new HermesGateway("bezalel-gateway", { house: "bezalel", path, user, harness: fleet.harness, port: 8643 });
 */
export class HermesGateway extends pulumi.ComponentResource {
  readonly part: ReleasePart;
  /** Name of the unit, e.g. `hermes-bezalel.service`. */
  readonly unit: string;
  /** The one that prepares the home before it starts, e.g. `wizard-home-bezalel.service`. */
  readonly homeUnit: string;
  /** URL that answers 200 while the gateway is well. */
  readonly health: string;
  /** When it is well, deadlines aside. */
  readonly wellWhen: ReturnType<typeof gatewayHealth>;
  /** Whether host and harness can run a release, asked before it is switched to: see `gateway/check-host.sh`. */
  readonly check: { argv: string[]; user: string };

  constructor(name: string, args: HermesGatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:HermesGateway", name, {}, opts);
    const { house, user, harness } = args;
    const sandbox = args.sandbox ?? { write: [], allow: [] };
    const unit = { ...args, venv: harness.venv, drainTimeout: args.drainTimeout ?? 0, sandbox };
    const script = (file: string) => ({ ...source(`gateway/${file}`), mode: "0640" });
    this.wellWhen = gatewayHealth({ house, path: args.path, user, port: args.port });
    this.unit = this.wellWhen.unit;
    this.homeUnit = homeUnitName(house);
    this.health = this.wellWhen.http;
    this.check = {
      user,
      argv: [
        ...["/bin/sh", "gateway/check-host.sh", harness.version],
        harness.lock === undefined ? "given" : "installed",
        ...sandbox.write,
        ...sandboxGroups(sandbox),
      ],
    };
    this.part = {
      name: "gateway",
      files: {
        "gateway/prepare-home.sh": script("prepare-home.sh"),
        "gateway/start-gateway.sh": script("start-gateway.sh"),
        "gateway/check-host.sh": script("check-host.sh"),
        "gateway/check-harness.py": script("check-harness.py"),
        [DRAIN]: { ...source(DRAIN), mode: "0640" },
      },
      directories: { home: { mode: "0700", owner: user, group: user } },
      units: {
        [this.unit]: { content: gatewayUnit(unit), restartOn: ["config.yaml", ".env", HARNESS_LINK] },
        // The gateway starts it.
        [this.homeUnit]: { content: homeUnit(unit), enabled: false },
      },
    };
    this.registerOutputs({ unit: this.unit, health: this.health, sandbox });
  }
}
