/** When a house's gateway is well, as its release asks and as whoever changes the house without one does. Pure. */
import type { HealthArgs } from "../../provider/sdk.ts";
import { harnessPython } from "./harness.ts";
import { gatewayUnitName } from "./unit.ts";

export interface GatewayPlace {
  /** Name of the house. Example: `bezalel`. */
  house: string;
  /** Absolute path of the house on its host. Example: `/srv/wizards/bezalel`. */
  path: string;
  /** The agent's account. Example: `wizard-bezalel`. */
  user: string;
  /** Port of the health endpoint on the loopback address. Example: `8643`. */
  port: number;
}

/** The unit runs, answers, is itself what has a heartbeat, and goes by the release. Deadlines are the stack's. */
export function gatewayHealth({ house, path, user, port }: GatewayPlace) {
  return {
    unit: gatewayUnitName(house),
    user,
    http: `http://127.0.0.1:${port}/health`,
    heartbeat: "home/state/gateway.heartbeat",
    probe: [harnessPython(path), "-I", "-B", `${path}/current/gateway/check-harness.py`, "--effective"],
  } satisfies HealthArgs;
}
