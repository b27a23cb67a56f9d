// The policy host can only require() CommonJS; the pack itself is TypeScript.
module.exports = import("tsx/esm/api").then(({ register }) => {
  register();
  return import("./pack.ts");
});
