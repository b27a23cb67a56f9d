// The policy host can only require() CommonJS; the pack itself is TypeScript.
// eslint-disable-next-line @typescript-eslint/no-require-imports -- CommonJS has nothing else
const path = require("node:path");

// What the SDK loads to serialize closures, a compiler and an npm client, takes longer than all the rest together, and a
// policy pack serializes none.
for (const name of ["typescript", "@npmcli/arborist"]) {
  const sdk = path.dirname(require.resolve("@pulumi/pulumi/package.json"));
  const file = require.resolve(name, { paths: [sdk] });
  require.cache[file] ??= {
    id: file,
    filename: file,
    path: sdk,
    loaded: true,
    children: [],
    paths: [],
    exports: {},
  };
}

module.exports = import("../toolchain/load.mjs").then(({ load }) => load("policies/pack.ts", ["@pulumi/*"]));
