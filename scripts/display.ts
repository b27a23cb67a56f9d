/** What `up`, `preview` and `destroy` show while the engine works: a line for each change on a host, and nothing else when all is well. */
import type { EngineEvent, Step } from "./events.ts";
import { isFollowUp, lines, tidy } from "./messages.ts";
import { CANNOT_LOOK } from "../provider/errors.ts";
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

/** The engine's own signs. */
const SIGNS: Readonly<Record<string, string>> = { create: "+", update: "~", delete: "-", replace: "+-" };
const SIGNED = ["create", "update", "delete", "replace"];
const DONE: Readonly<Record<string, string>> = {
  create: "created",
  update: "updated",
  delete: "deleted",
  replace: "replaced",
};

/** Names of changed files that are shown. */
const SHOWN = 4;

export class Display {
  readonly #write: (line: string) => void;
  readonly #places = new Places();
  /** What differs, by URN, until the step is done. */
  readonly #details = new Map<string, string>();
  readonly #blind = new Set<string>();
  readonly #said = new Set<string>();

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  show({ diagnosticEvent, policyEvent, resourcePreEvent, resOutputsEvent, ...event }: EngineEvent): void {
    if (resourcePreEvent) this.#begin(resourcePreEvent.metadata);
    else if (resOutputsEvent) this.#done(resOutputsEvent.metadata);
    else if (event.resOpFailedEvent) this.#failed(event.resOpFailedEvent.metadata);
    else if (diagnosticEvent) this.#tell(diagnosticEvent);
    else if (event.summaryEvent) this.#summary(event.summaryEvent);
    else if (policyEvent?.enforcementLevel === "advisory") {
      const house = policyEvent.resourceUrn ? `${this.#places.houseOf(policyEvent.resourceUrn)}: ` : "";
      const message = lines(tidy(policyEvent.message)).join(" ");
      this.#line(`policy (advice): ${house}${policyEvent.policyName}: ${message}`);
    }
  }

  #begin(step: Step): void {
    this.#places.learn([step]);
    if (SIGNED.includes(step.op)) this.#details.set(step.urn, changedNames(step));
  }

  #done({ op, urn }: Step): void {
    if (!SIGNED.includes(op) || !this.#places.isManaged(urn)) return;
    this.#line(`${SIGNS[op]} ${this.#label(urn)}${this.#details.get(urn) ?? ""}`);
    this.#details.delete(urn);
  }

  /** Why is told at the end, once for each house. */
  #failed({ op, urn }: Step): void {
    if (!this.#blind.has(urn)) this.#line(`! ${this.#label(urn)}: not ${DONE[op] ?? op}, see below`);
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
    const changes = resourceChanges ?? {};
    const changed = SIGNED.filter((op) => changes[op]).map((op) => `${SIGNS[op]} ${changes[op]} ${DONE[op]}`);
    const rows = [...changed, ...(changes["same"] ? [`${changes["same"]} unchanged`] : [])];
    this.#write(["Resources:", ...(rows.length === 0 ? ["none"] : rows).map((row) => `    ${row}`)].join("\n"));
    this.#write(`\nDuration: ${durationSeconds}s`);
  }

  /** The engine sends some messages more than once. */
  #line(text: string): void {
    if (this.#said.has(text)) return;
    this.#said.add(text);
    this.#write(`  ${text}`);
  }
}

/** What differs, in a few words: names of files, or of properties where no file is concerned. */
function changedNames({ detailedDiff }: Step): string {
  const names = Object.keys(detailedDiff ?? {}).map((key) => {
    const [top, name] = parsePropertyPath(key);
    return String(typeof name === "string" ? name : top);
  });
  const distinct = [...new Set(names)];
  if (distinct.length === 0) return "";
  const more = distinct.length > SHOWN ? ` and ${distinct.length - SHOWN} more` : "";
  return `: ${distinct.slice(0, SHOWN).join(", ")}${more}`;
}
