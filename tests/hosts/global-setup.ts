/** Takes the machines of the host tests down when all is done, whatever became of the tests. */
import { destroyTestbed } from "../../testbed/index.ts";
import { giveBack, unclaimedBeds } from "./beds.ts";

export async function teardown(): Promise<void> {
  for (const bed of unclaimedBeds()) {
    await destroyTestbed(bed);
    giveBack(bed);
  }
}
