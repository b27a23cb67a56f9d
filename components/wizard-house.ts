/** WizardHouse: one agent on one host, from its configuration to its deadman switch. */
import * as pulumi from "@pulumi/pulumi";

import { deadmanKeys } from "../fleet/deadman.ts";
import type { House, RenderedHouse, SandboxSettings } from "../fleet/model.ts";
import { Release, User, type Connection } from "../provider/sdk.ts";
import { backupFolder } from "./backup/conf.ts";
import { backupPart } from "./backup/part.ts";
import { CronManager } from "./cron-manager.ts";
import { DeadmanSwitch } from "./deadman-switch.ts";
import { GoldenState } from "./golden-state.ts";
import { HermesGateway } from "./hermes-gateway.ts";
import { drainedFlag } from "./drain/command-lines.ts";
import { drainTimeout } from "./gateway/stopping.ts";
import { goesWith } from "./host.ts";
import { mergeJobs } from "./jobs/command-lines.ts";
import { mergeParts } from "./part.ts";
import { RequestLog } from "./request-log.ts";
import type { Activation } from "./stack.ts";

export interface WizardHouseArgs {
  /** The host as this stack reaches it. Example: `{name: "forge", transport: "local", root: ".houses/forge"}`. */
  host: Connection;
  /** The house as `wizards/` describes it. Example: `loadFleet(folder).houses[0]`. */
  house: House;
  /** Its overlays merged for the stack's environment. Example: `renderHouse(fleet, house, "prod")`. */
  rendered: RenderedHouse;
  /** Value of every key that {@link neededKeys} lists. Example: `{KIMI_API_KEY: config.requireSecret("kimi")}`. */
  keys: Record<string, pulumi.Input<string>>;
  /** How long a switch may take to be confirmed. Default the provider's. Example: `{deadline: 60, revertAfter: 120}`. */
  activation?: Activation;
  /** Salt of release ids and secret digests, one per stack. Example: `wizard-houses/prod`. */
  salt: string;
  /**
   * What must have succeeded before anything of the house changes: its host, the houses before it in the rollout. Not in
   * `opts.dependsOn`: the engine would skip the component with its outputs, and takes those for an error that ends the
   * whole update, other houses' included.
   */
  after?: pulumi.Resource[];
  /** The machine, where deleting it takes along all that is on it. Default none. */
  machine?: pulumi.Resource;
}

/** What an operator wants to know of a house; the component's outputs. */
export interface HouseSummary {
  /** Name of the host. */
  host: string;
  /** Id of the release the house is on once the update has succeeded. */
  release: pulumi.Output<string>;
  /** The last release that was confirmed: what the house goes back to. */
  knownGood: pulumi.Output<string>;
  /** Golden provider chain, e.g. `["kimi-coding/kimi-k2.5", "custom/qwen3-8b"]`. */
  chain: string[];
  /** URL that answers 200 on the host while the gateway is well. */
  health: string;
  /** Ports by use. */
  ports: { health: number };
  /** Names of the secrets in `.env`, sorted. */
  keys: string[];
  /** What is opened in the agent's sandbox. */
  sandbox: SandboxSettings;
  /** The harness that the release runs with: its version and where it is on the host. */
  harness: { version: string; venv: string };
}

/**
 * Makes the agent's account and its one release, composed of five parts. A house that must wait for another gets it
 * in `after`.
 *
 *     new WizardHouse("bezalel", { host, house, rendered, keys, salt });
 */
export class WizardHouse extends pulumi.ComponentResource {
  readonly summary: HouseSummary;

  constructor(name: string, args: WizardHouseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:WizardHouse", name, {}, opts);
    const { house, host, rendered } = args;
    const { revertAfter, ...settings } = args.activation ?? {};
    const { path, user, harness } = house;
    const child = { parent: this };
    const { "jobs.json": jobs, "banned.json": banned, ...files } = rendered.files;
    refuseKeyMismatch(house.name, neededKeys(house, rendered), Object.keys(args.keys));

    // Each gets its own: what the switch knows is not the agent's to know.
    const valueOf = (key: string): [string, pulumi.Input<string>] => [key, args.keys[key] ?? ""];
    const agentKeys = Object.fromEntries(rendered.keys.map(valueOf));
    const secrets = Object.fromEntries(
      deadmanKeys(house.deadman).map(({ secret, key }) => [secret, valueOf(key)[1]]),
    );

    const golden = new GoldenState(
      `${name}-golden-state`,
      { user, files, links: rendered.links, env: rendered.env, keys: agentKeys },
      child,
    );
    const gateway = new HermesGateway(
      `${name}-gateway`,
      {
        house: house.name,
        path,
        user,
        harness,
        port: house.ports.health,
        drainTimeout: drainTimeout(rendered.config),
        sandbox: house.sandbox,
      },
      child,
    );
    const deadman = new DeadmanSwitch(
      `${name}-deadman`,
      {
        ...{ house: house.name, path, user, settings: house.deadman, secrets },
        ...{ unit: gateway.unit, homeUnit: gateway.homeUnit, health: gateway.health },
      },
      child,
    );
    const requestLog = new RequestLog(
      `${name}-request-log`,
      { house: house.name, path, user, settings: house.requestLog },
      child,
    );
    const cron = new CronManager(
      `${name}-cron`,
      {
        ...{ house: house.name, path, user, health: gateway.health },
        ...{ providers: house.providers, scheduled: house.scheduled, entries: house.cron },
        ...(jobs === undefined ? {} : { jobs }),
        ...(banned === undefined ? {} : { banned }),
      },
      child,
    );

    // The account comes first: the release's files and folders belong to it.
    const account = new User(
      `${name}-user`,
      { host, user, home: `${path}/home` },
      { ...child, dependsOn: args.after ?? [], ...goesWith(args.machine) },
    );
    const release = new Release(
      `${name}-release`,
      {
        host,
        house: path,
        group: user,
        salt: args.salt,
        harness: harness.venv,
        ...mergeParts([
          ...[golden.part, gateway.part, deadman.part, requestLog.part, cron.part],
          backupPart({ house: house.name, path, user, harness: harness.version }, house.backup),
        ]),
        check: gateway.check,
        health: { ...gateway.wellWhen, ...settings },
        ...(revertAfter !== undefined && { revertAfter }),
        jobs: { user, ...mergeJobs(path) },
        hold: deadman.flag,
        drained: drainedFlag(house.name),
        ...(house.backup && {
          backups: { folder: backupFolder(house.name), maxAge: house.backup.maxAge },
        }),
        adopt: house.adopt,
      },
      { ...child, dependsOn: [account], ...goesWith(args.machine) },
    );

    this.summary = {
      host: host.name,
      release: release.release,
      knownGood: release.knownGood,
      chain: house.providers.map((entry) => `${entry.provider}/${entry.model}`),
      health: gateway.health,
      ports: { ...house.ports },
      keys: [...rendered.keys].sort(),
      sandbox: house.sandbox,
      harness: { version: harness.version, venv: harness.venv },
    };
    this.registerOutputs(this.summary);
  }
}

/** Names of the secrets of a house, those of its agent and of its deadman switch, sorted. */
export function neededKeys(house: House, rendered: RenderedHouse): string[] {
  const own = deadmanKeys(house.deadman).map(({ key }) => key);
  return [...new Set([...rendered.keys, ...own])].sort();
}

function refuseKeyMismatch(house: string, wanted: string[], given: string[]): void {
  const missing = wanted.filter((key) => !given.includes(key));
  const extra = given.filter((key) => !wanted.includes(key));
  if (missing.length === 0 && extra.length === 0) return;
  throw new Error(
    `House ${JSON.stringify(house)} wants a value for each of its keys and no other; ` +
      `missing: ${missing.join(", ") || "none"}; not wanted: ${extra.join(", ") || "none"}.`,
  );
}
