/** Pure: the houses that could not be looked at, told apart by the provider's words in the engine's events. */
import { CANNOT_LOOK } from "../provider/errors.ts";
import { CHANGES, type EngineEvent } from "./events.ts";
import { isFollowUp, lines, tidy } from "./messages.ts";
import { typeOf, type Places } from "./places.ts";

/** A house that could not be looked at, or a host where nothing but what its houses share is concerned. */
export interface Unreachable {
  house: string;
  /** Name of the host; empty if it is not known. */
  host: string;
  /** One line. */
  reason: string;
  /** Whether it is no house but what the houses of a host share; `house` is then the host's name. */
  shared?: true;
}

export interface Looks {
  unreachable: Unreachable[];
  /** Houses that could not be looked at before they were updated; the update then reached them. */
  reached: Unreachable[];
}

/** What became of one resource that could not be looked at. The last word counts. */
interface Look {
  reason: string;
  outcome: "blind" | "reached" | "failed";
}

/** Each house is named once, however many of its resources share its fate. */
export function looksOf(events: readonly EngineEvent[], places: Places): Looks {
  const looks = new Map<string, Look>();
  for (const { diagnosticEvent, resOutputsEvent } of events) {
    const urn = diagnosticEvent?.urn ?? resOutputsEvent?.metadata.urn ?? "";
    const look = looks.get(urn);
    if (diagnosticEvent?.urn && diagnosticEvent.message.includes(CANNOT_LOOK)) {
      looks.set(urn, { reason: reasonIn(diagnosticEvent.message), outcome: "blind" });
    } else if (!look) continue;
    else if (diagnosticEvent) {
      // It was reached after all, and what went wrong there is told as a failure.
      if (diagnosticEvent.severity === "error" && !isFollowUp(diagnosticEvent.message))
        look.outcome = "failed";
    } else if (resOutputsEvent && !resOutputsEvent.planning && CHANGES.has(resOutputsEvent.metadata.op)) {
      look.outcome = "reached";
    }
  }
  const blind = entries(looks, "blind", places);
  const known = new Set(blind.map(({ house }) => house));
  const reached = entries(looks, "reached", places).filter(({ house }) => !known.has(house));
  return { unreachable: withoutSharedHosts(blind), reached: withoutSharedHosts(reached) };
}

function entries(looks: Map<string, Look>, outcome: Look["outcome"], places: Places): Unreachable[] {
  const found = new Map<string, Unreachable>();
  // A release says best where the house is; it comes first.
  const all = [...looks].sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
  for (const [urn, look] of all) {
    const house = places.houseOf(urn);
    if (look.outcome !== outcome || found.has(house)) continue;
    const shared = places.isInHouse(urn) ? {} : ({ shared: true } as const);
    found.set(house, { house, host: places.hostOf(urn) ?? "", reason: look.reason, ...shared });
  }
  return [...found.values()].sort((a, b) => (a.house < b.house ? -1 : 1));
}

const rank = (urn: string): number => (typeOf(urn) === "host:index:Release" ? 0 : 1);

/** What the houses of a host share is not told of beside one of these houses. */
function withoutSharedHosts(all: Unreachable[]): Unreachable[] {
  const told = new Set(all.filter(({ shared }) => !shared).map(({ host }) => host));
  return all.filter(({ host, shared }) => !shared || !told.has(host));
}

/** The provider's own words: the engine puts a line before them, and they begin with the name of what was looked at. */
function reasonIn(message: string): string {
  const own = lines(tidy(message)).find((line) => line.includes(CANNOT_LOOK)) ?? "";
  return own.slice(own.indexOf(CANNOT_LOOK) + CANNOT_LOOK.length).replace(/^[:,\s]+/, "");
}
