/** What `up`, `preview` and `destroy` show while the engine works: a line for each change on a host, and nothing else when all is well. */
import { CANNOT_LOOK } from "../provider/errors.ts";
import type { EngineEvent, Step } from "./events.ts";
import { COLLECTIONS } from "./findings.ts";
import { isFollowUp, lines, tidy } from "./messages.ts";
import { Places, typeOf } from "./places.ts";
import { parsePropertyPath } from "./property-path.ts";

/** Options that ask for something only the engine's own display has. */
const ENGINES_OWN = [
  /^--(diff|json|debug|help|logtostderr|verbose|tracing|profiling)(=|$)/,
  /^--(show|suppress)-/,
  /^-[jdhv]/,
];

export const wantsEngineDisplay = (args: readonly string[]): boolean =>
  args.some((argument) => ENGINES_OWN.some((pattern) => pattern.test(argument)));

/** Steps that are told, with the engine's own signs. */
const STEPS = ["create", "update", "delete", "replace"] as const;
const SIGNS: Readonly<Record<string, string>> = { create: "+", update: "~", delete: "-", replace: "+-" };

/** Names of changed files that are shown. */
const SHOWN = 4;

export class Display {
  readonly #write: (line: string) => void;
  readonly #places = new Places();
  /** What differs, by URN, until the step is done. */
  readonly #details = new Map<string, string>();
  readonly #blind = new Set<string>();
  readonly #said = new Set<string>();
  /** Told at the end, when it is known where each resource belongs. */
  readonly #advice: NonNullable<EngineEvent["policyEvent"]>[] = [];
  readonly #verb: (op: string) => string;

  /** @param planned whether nothing is done: a preview */
  constructor(write: (line: string) => void, planned: boolean) {
    this.#write = write;
    this.#verb = (op) => (planned ? `to ${op}` : `${op}d`);
  }

  show({ diagnosticEvent, policyEvent, resourcePreEvent, resOutputsEvent, ...event }: EngineEvent): void {
    if (resourcePreEvent) this.#begin(resourcePreEvent.metadata);
    else if (resOutputsEvent) this.#done(resOutputsEvent.metadata);
    else if (event.resOpFailedEvent) this.#failed(event.resOpFailedEvent.metadata);
    else if (diagnosticEvent) this.#tell(diagnosticEvent);
    else if (event.summaryEvent) this.#summary(event.summaryEvent);
    else if (policyEvent?.enforcementLevel === "advisory") this.#advice.push(policyEvent);
  }

  #begin(step: Step): void {
    this.#places.learn([step]);
    if (SIGNS[step.op]) this.#details.set(step.urn, changedNames(step));
  }

  #done({ op, urn }: Step): void {
    if (!SIGNS[op] || !this.#places.isManaged(urn)) return;
    this.#line(`${SIGNS[op]} ${this.#label(urn)}${this.#details.get(urn) ?? ""}`);
    this.#details.delete(urn);
  }

  /** Why is told at the end, once for each house. */
  #failed({ op, urn }: Step): void {
    if (!this.#blind.has(urn)) this.#line(`! ${this.#label(urn)}: not ${this.#verb(op)}, see below`);
  }

  #label(urn: string): string {
    return `${this.#places.houseOf(urn)}: ${(typeOf(urn).split(":").at(-1) ?? "").toLowerCase()}`;
  }

  #tell({ urn, message, severity, ephemeral }: NonNullable<EngineEvent["diagnosticEvent"]>): void {
    if (urn && message.includes(CANNOT_LOOK)) this.#blind.add(urn);
    else if (severity !== "error" && !ephemeral && !isFollowUp(message)) {
      const house = urn ? this.#places.houseOf(urn) : "";
      const text = [severity === "warning" ? "warning" : "", house, lines(tidy(message)).join("\n    ")];
      this.#line(text.filter((part) => part !== "").join(": "));
    }
  }

  #summary({ resourceChanges, durationSeconds = 0 }: NonNullable<EngineEvent["summaryEvent"]>): void {
    for (const { resourceUrn, policyName, message } of this.#advice) {
      const house = resourceUrn ? `${this.#places.houseOf(resourceUrn)}: ` : "";
      this.#line(`policy (advice): ${house}${policyName}: ${lines(tidy(message)).join(" ")}`);
    }
    const changes = resourceChanges ?? {};
    const changed = STEPS.filter((op) => changes[op]);
    const rows = changed.map((op) => `${SIGNS[op]} ${changes[op]} ${this.#verb(op)}`);
    if (changes["same"]) rows.push(`${changes["same"]} unchanged`);
    this.#write(
      ["Resources:", ...(rows.length === 0 ? ["none"] : rows).map((row) => `    ${row}`)].join("\n"),
    );
    this.#write(`\nDuration: ${durationSeconds}s`);
  }

  /** The engine sends some messages more than once. */
  #line(text: string): void {
    if (this.#said.has(text)) return;
    this.#said.add(text);
    this.#write(`  ${text}`);
  }
}

/** What differs, in a few words: names of files and the like, or of properties where none of these is concerned. */
function changedNames({ detailedDiff }: Step): string {
  const paths = Object.keys(detailedDiff ?? {}).map(parsePropertyPath);
  const entries = paths.flatMap(([top, name]) =>
    COLLECTIONS.includes(String(top)) && name !== undefined ? [String(name)] : [],
  );
  const names = [...new Set(entries.length > 0 ? entries : paths.map(([top]) => String(top)))];
  if (names.length === 0) return "";
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return `: ${names.slice(0, SHOWN).join(", ")}${more}`;
}
