// What Pulumi.yaml names as the program: index.ts, loaded the quick way. Its exports are the stack's outputs.
import { load } from "./load.mjs";

export default { ...(await load("index.ts")) };
