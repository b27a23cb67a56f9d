/** HermesGateway: the hardened unit that runs the agent. */
import * as pulumi from "@pulumi/pulumi";

import { gatewayUnit } from "./gateway/unit.ts";
import type { ReleasePart } from "./part.ts";
import { source } from "./source.ts";

export interface HermesGatewayArgs {
  /** Name of the house. Example: `bezalel`. */
  house: string;
  /** Absolute path of the house on its host. Example: `/srv/wizards/bezalel`. */
  path: string;
  /** The agent's account and group. Example: `wizard-bezalel`. */
  user: string;
  /** The harness's virtualenv on the host. Example: `/opt/hermes/venv`. */
  venv: string;
  /** Port of the health endpoint on the loopback address. Example: `8643`. */
  port: number;
  /** Seconds the gateway may take to finish running work when it is stopped. Default 0. Example: `20`. */
  drainTimeout?: number;
}

/**
 * Contributes `hermes-<house>.service`, the script that prepares its start, and the agent's home.
 *
 * The unit has a name of its own because the harness's installer takes `hermes.service` for its own old unit and
 * removes it. Only what the gateway reads at start restarts it; SOUL.md and skins are read as they are used.
 *
 *     new HermesGateway("bezalel-gateway", { house: "bezalel", path, user, venv: "/opt/hermes/venv", port: 8643 });
 */
export class HermesGateway extends pulumi.ComponentResource {
  readonly part: ReleasePart;
  /** Name of the unit, e.g. `hermes-bezalel.service`. */
  readonly unit: string;
  /** URL that answers 200 while the gateway is well. */
  readonly health: string;

  constructor(name: string, args: HermesGatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:HermesGateway", name, {}, opts);
    this.unit = `hermes-${args.house}.service`;
    this.health = `http://127.0.0.1:${args.port}/health`;
    this.part = {
      name: "gateway",
      files: { "gateway/prepare-home.sh": { content: source("gateway/prepare-home.sh"), mode: "0640" } },
      directories: { home: { mode: "0700", owner: args.user, group: args.user } },
      units: {
        [this.unit]: {
          content: gatewayUnit({ ...args, drainTimeout: args.drainTimeout ?? 0 }),
          restartOn: ["config.yaml", ".env"],
        },
      },
    };
    this.registerOutputs({ unit: this.unit, health: this.health });
  }
}
