/** What the rules cost in a preview of thirty houses, by the processor's clock: others' work on the machine does not count. */
import { createRequire } from "node:module";

import { expect, test } from "vitest";

import { allPolicies } from "../../policies/rules.ts";
import { RELEASE, rulebook, wizardResources } from "./policies-fixture.ts";

const require = createRequire(import.meta.url);
/** How the SDK serves the engine; not in its public types. */
const { makeAnalyzeRpcFun } = require("@pulumi/policy/server") as {
  makeAnalyzeRpcFun: (
    ...pack: unknown[]
  ) => (call: { request: unknown }, done: (error: unknown, answer: Answer) => void) => void;
};
interface Answer {
  getDiagnosticsList(): unknown[];
}
interface Request {
  setType(type: string): void;
  setName(name: string): void;
  setUrn(urn: string): void;
  setProperties(struct: unknown): void;
  setOptions(options: unknown): void;
  serializeBinary(): Uint8Array;
}
const { AnalyzeRequest, AnalyzerResourceOptions } = require("@pulumi/pulumi/proto/analyzer_pb") as {
  AnalyzeRequest: { new (): Request; deserializeBinary(bytes: Uint8Array): Request };
  AnalyzerResourceOptions: new () => unknown;
};
const { Struct } = require("google-protobuf/google/protobuf/struct_pb") as {
  Struct: { fromJavaScript(value: unknown): unknown };
};

test("thirty houses take less than a second, with what the SDK does for each", async () => {
  const releases = (await wizardResources("prod")).filter(({ type }) => type === RELEASE);
  const requests = Array.from({ length: 30 }, (_, number) => {
    const { type, name, inputs } = releases[number % releases.length]!;
    // Each house has texts of its own, or what is remembered would make it look quicker than it is.
    const own = JSON.parse(JSON.stringify(inputs).replaceAll("wizard-", `wizard-${number}`)) as typeof inputs;
    const request = new AnalyzeRequest();
    request.setType(type);
    request.setName(name);
    request.setUrn(`urn:${number}`);
    request.setProperties(
      Struct.fromJavaScript({ ...own, host: { ...(own["host"] as object), name: `h${number}` } }),
    );
    request.setOptions(new AnalyzerResourceOptions());
    return request.serializeBinary();
  });
  const round = async (): Promise<number> => {
    const analyze = makeAnalyzeRpcFun("pack", "1", "mandatory", allPolicies(rulebook));
    const before = process.cpuUsage();
    for (const bytes of requests) {
      await new Promise<void>((resolve, reject) => {
        analyze({ request: AnalyzeRequest.deserializeBinary(bytes) }, (error, answer) => {
          if (error) reject(error as Error);
          else {
            expect(answer.getDiagnosticsList()).toEqual([]);
            resolve();
          }
        });
      });
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  const seconds = Math.min(await round(), await round());
  console.log(`thirty houses: ${seconds.toFixed(2)} s`);
  expect(seconds).toBeLessThan(1);
});
