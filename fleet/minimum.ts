/** The least that a fleet has to ban, from a file outside of its repository. */
import path from "node:path";

import type { Fleet } from "./model.ts";
import { FleetError } from "./problem.ts";
import { loosenings } from "./rules/loosening.ts";
import { bannedSchema, checkSchema } from "./schema.ts";
import { dataFolder, readYaml } from "./yaml.ts";

/** One line for each pattern of the file that the fleet does not ban. Throws a {@link FleetError} on mistakes in the file. */
export function minimumFindings(file: string, fleet: Pick<Fleet, "banned" | "policies">): string[] {
  const folder = dataFolder(path.dirname(file));
  if (!folder.ok) throw new FleetError(folder.problems);
  const read = readYaml(folder.value, path.basename(file));
  if (!read.ok) throw new FleetError(read.problems);
  const banned = checkSchema(bannedSchema, read.value);
  if (!banned.ok) throw new FleetError(banned.problems);
  return loosenings({ banned: banned.value, policies: fleet.policies }, fleet);
}
