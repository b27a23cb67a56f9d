// What Pulumi.yaml names as the program: index.ts, loaded the quick way. Its exports are the stack's outputs.
// It stands at the root because the engine takes the folder of the program as everybody's working directory.
import { createRequire } from "node:module";

import { load } from "./toolchain/load.mjs";

const require = createRequire(import.meta.url);
require("./toolchain/lean-sdk.cjs");

// Both take the program a third of its time, and nobody sees them: the SDK takes several stack traces per resource, which
// the language host has mapped to sources, although this bundle has no map; and it sends the engine several debug
// messages per resource, one after the other, whether or not `--debug` asks for them.
Error.prepareStackTrace = undefined;
if (!process.env.WIZARD_HOUSES_SDK_DEBUG) {
  require("@pulumi/pulumi/log").debug = () => Promise.resolve();
}

export default { ...(await load("index.ts", ["@pulumi/*"])) };
