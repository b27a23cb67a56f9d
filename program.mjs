// What Pulumi.yaml names as the program: index.ts, loaded the quick way. Its exports are the stack's outputs.
// It stands at the root because the engine takes the folder of the program as everybody's working directory.
import { load } from "./toolchain/load.mjs";

export default { ...(await load("index.ts", ["@pulumi/*"])) };
