// What Pulumi.yaml names as the program: index.ts, loaded the quick way. Its exports are the stack's outputs.
// It stands at the root because the engine takes the folder of the program as everybody's working directory.
import { createRequire } from "node:module";

import { load } from "./toolchain/load.mjs";

const require = createRequire(import.meta.url);
require("./toolchain/lean-sdk.cjs");

// All of it takes the program more than a third of its time, and nobody sees it: the SDK takes several stack traces per
// resource, which the language host has mapped to sources, although this bundle has no map, and most of which are for a
// promise that is never settled; and it sends the engine several debug messages per resource, one after the other, whether
// or not `--debug` asks for them.
Error.prepareStackTrace = undefined;
if (!process.env.WIZARD_HOUSES_SDK_DEBUG) {
  require("@pulumi/pulumi/log").debug = () => Promise.resolve();
  const debuggable = require("@pulumi/pulumi/runtime/debuggable");
  const { debuggablePromise } = debuggable;
  debuggable.debuggablePromise = (...args) => {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      return debuggablePromise(...args);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  };
}

// What this stack has nothing to say of is no output; as one, the SDK would warn of it in every run.
const outputs = Object.entries(await load("index.ts", ["@pulumi/*"])).filter(
  ([, value]) => value !== undefined,
);
export default Object.fromEntries(outputs);
