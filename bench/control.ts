/** Whether the comparison that calls the machines equal would notice if they were not. */
import { hostDifferences } from "./fingerprint.ts";
import { inside, type Machine } from "./machines.ts";
import type { WantedHouse } from "./wanted.ts";

export interface Control {
  /** The machines are as wanted. */
  equal: boolean;
  /** After one byte of one file was changed, exactly that file was reported, and nothing once it was put back. */
  notices: boolean;
}

export async function control(machines: Machine[], houses: WantedHouse[]): Promise<Control> {
  const equal = (await hostDifferences(machines, houses)).length === 0;
  const [house] = houses;
  const file = house?.files.find(({ path }) => path.endsWith("/config.yaml"));
  const machine = machines.find(({ name }) => name === house?.host);
  if (file === undefined || machine === undefined)
    throw new Error("there is no file to change for the control");
  const [first] = file.content;
  const put = (byte: string): Promise<string> =>
    inside(machine, ["dd", `of=${file.path}`, "bs=1", "count=1", "conv=notrunc", "status=none"], byte);
  await put(first === "#" ? "%" : "#");
  const changed = await hostDifferences(machines, houses);
  await put(first!);
  const restored = await hostDifferences(machines, houses);
  const named = changed.filter((line) => line.startsWith(`${machine.name}: path ${file.path}: `));
  return { equal, notices: named.length === 1 && changed.length === 1 && restored.length === 0 };
}
