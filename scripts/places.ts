/** Where a resource belongs: to which house, and on which host it is. Learned from the engine's steps. */
import path from "node:path";

import type { ResourceState, Step } from "./events.ts";
import { valueAt } from "./property-path.ts";

export const HOUSE = "fleet:index:WizardHouse";
const STACK = "pulumi:pulumi:Stack";

/** `urn:pulumi:dev::wizard-houses::fleet:index:WizardHouse$host:index:Release::ezra-release` */
export const nameOf = (urn: string): string => urn.slice(urn.lastIndexOf("::") + 2);
export const typeOf = (urn: string): string => (urn.split("::")[2] ?? "").split("$").at(-1) ?? "";

export class Places {
  readonly #states = new Map<string, ResourceState>();

  /** @param steps in any order: what is above a resource may be told later */
  learn(steps: Iterable<Step>): void {
    for (const step of steps) {
      const state = step.new ?? step.old;
      if (state) this.#states.set(step.urn, state);
    }
  }

  /** Whether a provider manages it, on a host or elsewhere; not so components and what is not known. */
  isManaged(urn: string): boolean {
    return this.#states.get(urn)?.custom === true && !/^pulumi:(pulumi|providers):/.test(typeOf(urn));
  }

  /**
   * The house: the nearest WizardHouse above, else what the inputs say, else the host for what all its houses share, else
   * the resource's own name. Empty for the stack itself, whose URN errors of the program carry.
   */
  houseOf(urn: string): string {
    if (typeOf(urn) === STACK) return "";
    for (let at: string | undefined = urn; at; at = this.#states.get(at)?.parent) {
      if (typeOf(at) === HOUSE) return nameOf(at);
    }
    const inputs = this.#states.get(urn)?.inputs;
    if (typeof inputs?.house === "string") return path.posix.basename(inputs.house);
    return this.hostOf(urn) ?? nameOf(urn);
  }

  /** Whether it is a house's own, and not what the houses of a host share. */
  isInHouse(urn: string): boolean {
    for (let at: string | undefined = urn; at; at = this.#states.get(at)?.parent) {
      if (typeOf(at) === HOUSE) return true;
    }
    return typeof this.#states.get(urn)?.inputs?.house === "string";
  }

  /** Name of the host; undefined for what is on none. */
  hostOf(urn: string): string | undefined {
    const host = valueAt(this.#states.get(urn)?.inputs, ["host", "name"]);
    return typeof host === "string" ? host : undefined;
  }
}
