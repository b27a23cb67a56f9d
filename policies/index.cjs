// The policy host can only require() CommonJS; the pack itself is TypeScript.
module.exports = import("../toolchain/load.mjs").then(({ load }) => load("policies/pack.ts", ["@pulumi/*"]));
