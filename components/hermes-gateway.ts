/** HermesGateway: the hardened unit that runs the agent. */
import * as pulumi from "@pulumi/pulumi";

import type { SandboxSettings } from "../fleet/model.ts";
import { sandboxGroups } from "./gateway/sandbox.ts";
import { gatewayUnit, gatewayUnitName, homeUnit, homeUnitName } from "./gateway/unit.ts";
import type { ReleasePart } from "./part.ts";
import { source } from "./source.ts";

export interface HermesGatewayArgs {
  /** Name of the house. Example: `bezalel`. */
  house: string;
  /** Absolute path of the house on its host. Example: `/srv/wizards/bezalel`. */
  path: string;
  /** The agent's account and group. Example: `wizard-bezalel`. */
  user: string;
  /** The harness on the host. Example: `{version: "0.19.0", venv: "/opt/hermes/venv"}`. */
  harness: { version: string; venv: string };
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
  /** URL that answers 200 while the gateway is well. */
  readonly health: string;
  /** Run in the unit's place: whether the gateway goes by the release, which the harness does not insist on. */
  readonly probe: string[];
  /** Whether host and harness can run a release, asked before it is switched to: see `gateway/check-host.sh`. */
  readonly check: { argv: string[]; user: string };

  constructor(name: string, args: HermesGatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:HermesGateway", name, {}, opts);
    const { house, user, harness } = args;
    const sandbox = args.sandbox ?? { write: [], allow: [] };
    const unit = { ...args, venv: harness.venv, drainTimeout: args.drainTimeout ?? 0, sandbox };
    const script = (file: string) => ({ content: source(`gateway/${file}`), mode: "0640" });
    this.unit = gatewayUnitName(house);
    this.health = `http://127.0.0.1:${args.port}/health`;
    this.check = {
      user,
      argv: [
        ...["/bin/sh", "gateway/check-host.sh", harness.venv, harness.version],
        ...sandbox.write,
        ...sandboxGroups(sandbox),
      ],
    };
    this.probe = [
      ...[`${harness.venv}/bin/python`, "-I", "-B"],
      ...[`${args.path}/current/gateway/check-harness.py`, "--effective"],
    ];
    this.part = {
      name: "gateway",
      files: {
        "gateway/prepare-home.sh": script("prepare-home.sh"),
        "gateway/check-host.sh": script("check-host.sh"),
        "gateway/check-harness.py": script("check-harness.py"),
      },
      directories: { home: { mode: "0700", owner: user, group: user } },
      units: {
        [this.unit]: { content: gatewayUnit(unit), restartOn: ["config.yaml", ".env"] },
        // The gateway starts it.
        [homeUnitName(house)]: { content: homeUnit(unit), enabled: false },
      },
    };
    this.registerOutputs({ unit: this.unit, health: this.health, sandbox });
  }
}
