/**
 * Keeps Pulumi's policy SDK from reading all properties of a resource anew for each rule: they are the same, and no rule
 * of ours changes what it is given. Nor are they read at all for the engine's other question about each resource, what
 * the rules put right by themselves: none of ours does. To be required before the pack; CommonJS, because the host of
 * policy packs knows nothing else.
 */
// eslint-disable-next-line @typescript-eslint/no-require-imports -- CommonJS has nothing else
const reading = require("@pulumi/policy/deserialize");

const { deserializeProperties } = reading;
/** By the message they are in, which lives as long as the engine's request. */
const read = new WeakMap();

reading.deserializeProperties = (struct, proxySecrets) => {
  if (proxySecrets) return deserializeProperties(struct, proxySecrets);
  let properties = read.get(struct);
  if (properties === undefined) read.set(struct, (properties = deserializeProperties(struct, false)));
  return properties;
};

// eslint-disable-next-line @typescript-eslint/no-require-imports -- the same
const { AnalyzerService } = require("@pulumi/pulumi/proto/analyzer_grpc_pb");
// eslint-disable-next-line @typescript-eslint/no-require-imports -- the same
const { AnalyzeRequest, AnalyzerResourceOptions } = require("@pulumi/pulumi/proto/analyzer_pb");
// eslint-disable-next-line @typescript-eslint/no-require-imports -- the same
const { Struct } = require("google-protobuf/google/protobuf/struct_pb");

const nothing = new AnalyzeRequest();
nothing.setProperties(new Struct());
nothing.setOptions(new AnalyzerResourceOptions());
AnalyzerService.remediate.requestDeserialize = () => nothing;
