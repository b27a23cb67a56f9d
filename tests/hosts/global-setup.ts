/** Takes the machines of the host tests down when all is done, whatever became of the tests. */
import { destroyTestbed } from "../../testbed/index.ts";
import { BED } from "./machines.ts";

export function teardown(): Promise<void> {
  return destroyTestbed(BED);
}
