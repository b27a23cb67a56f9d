/** In which order houses are updated: which houses each one waits for. */
import type { Rollout } from "../fleet/model.ts";

/**
 * The houses each house waits for (its `dependsOn`), by house. `houses` is the rollout order.
 *
 * - `canary`: the first house goes alone. The others follow one after another, or all at once where `afterCanary`
 *   is `parallel`.
 * - `serial`: each house waits for the one before it.
 * - `parallel`: no house waits.
 *
 * A house that fails keeps every house that waits for it, directly or not, exactly as it was. That holds for drift
 * repair too: while the canary fails, nothing behind it is repaired.
 */
export function rolloutOrder(
  rollout: Rollout,
  houses: string[],
  afterCanary: "serial" | "parallel" = "serial",
): Record<string, string[]> {
  const waitsFor = (index: number): string[] => {
    if (rollout === "parallel") return [];
    const first = rollout === "canary" && afterCanary === "parallel" ? 0 : Math.max(0, index - 1);
    return index === 0 ? [] : houses.slice(first, first + 1);
  };
  return Object.fromEntries(houses.map((house, index) => [house, waitsFor(index)]));
}
