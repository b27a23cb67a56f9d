/** When a house is well, as its release has it in this stack: for commands that change the house without a release. */
import { gatewayHealth } from "../components/gateway/health.ts";
import { drainTimeout, stopTimeout } from "../components/gateway/stopping.ts";
import { renderHouse } from "../fleet/index.ts";
import type { HealthStep } from "../provider/host/steps.ts";
import { healthStep } from "../provider/resources/release/activation.ts";
import type { ReleaseInputs } from "../provider/resources/release/layout.ts";
import { release } from "../provider/resources/release/release.ts";
import { checkObject } from "../provider/schema/spec.ts";
import { types } from "../provider/schema/types.ts";
import type { HouseSession } from "./house-session.ts";

/** The check, the seconds its unit may take to stop, and those until the host takes back what nobody has confirmed. */
export function houseHealth({ house, fleet, settings }: Pick<HouseSession, "house" | "fleet" | "settings">): {
  health: HealthStep;
  stopSeconds: number;
  revertAfter: number;
} {
  const { name, path, user, ports } = house;
  const { revertAfter = release.spec.inputProperties["revertAfter"]?.default, ...times } =
    settings.activation ?? {};
  const wanted = { ...gatewayHealth({ house: name, path, user, port: ports.health }), ...times };
  // What the stack leaves open is filled in as in a release.
  const { values } = checkObject(types["host:index:Health"]!, types, wanted);
  const health = healthStep({
    house: path,
    health: values as unknown as NonNullable<ReleaseInputs["health"]>,
  })!;
  const { config } = renderHouse(fleet, house, settings.environment);
  return { health, stopSeconds: stopTimeout(drainTimeout(config)), revertAfter: Number(revertAfter) };
}
