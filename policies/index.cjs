// The policy host can only require() CommonJS; the pack itself is TypeScript.
// eslint-disable-next-line @typescript-eslint/no-require-imports -- CommonJS has nothing else
require("../toolchain/lean-sdk.cjs");
// eslint-disable-next-line @typescript-eslint/no-require-imports -- the same
require("../toolchain/lean-policy-sdk.cjs");

module.exports = import("../toolchain/load.mjs").then(({ load }) => load("policies/pack.ts", ["@pulumi/*"]));
