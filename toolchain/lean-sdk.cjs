/**
 * Keeps Pulumi's SDK from loading what it serializes closures with: a compiler and an npm client, which take longer than
 * all the rest of it. Nothing of ours has a closure serialized; whatever would meets an empty module. To be required
 * before the SDK; CommonJS, because the host of policy packs knows nothing else.
 */
// eslint-disable-next-line @typescript-eslint/no-require-imports -- CommonJS has nothing else
const path = require("node:path");

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
