/** The policy SDK with {@link ../../toolchain/lean-policy-sdk.cjs}: each resource is read once, for all rules. */
import { createRequire } from "node:module";

import { expect, test } from "vitest";

import { allPolicies } from "../../policies/rules.ts";
import { rulebook } from "./policies-fixture.ts";

const require = createRequire(import.meta.url);
require("../../toolchain/lean-policy-sdk.cjs");

interface Message {
  toJavaScript(): unknown;
}
const { Struct } = require("google-protobuf/google/protobuf/struct_pb.js") as {
  Struct: { fromJavaScript(value: object): Message };
};
const { AnalyzeRequest, AnalyzerResourceOptions } = require("@pulumi/pulumi/proto/analyzer_pb.js") as Record<
  "AnalyzeRequest" | "AnalyzerResourceOptions",
  new () => Record<string, (value: unknown) => void>
>;
const { AnalyzerService } = require("@pulumi/pulumi/proto/analyzer_grpc_pb.js") as {
  AnalyzerService: Record<string, { requestDeserialize(bytes: Buffer): unknown }>;
};
type Answer = { getRemediationsList(): unknown[] };
type Handler = (call: unknown, callback: (error: unknown, answer: Answer) => void) => void;
const { makeAnalyzeRpcFun, makeRemediateRpcFun } = require("@pulumi/policy/server.js") as Record<
  "makeAnalyzeRpcFun" | "makeRemediateRpcFun",
  (...args: unknown[]) => Handler
>;

/** What each of so many rules is given of a resource, and how often the resource was read for it. */
async function judged(rules: number, properties: Message): Promise<{ seen: unknown[]; reads: number }> {
  let reads = 0;
  const real = properties.toJavaScript.bind(properties);
  properties.toJavaScript = () => (reads++, real());
  const seen: unknown[] = [];
  const policies = Array.from({ length: rules }, (_, index) => ({
    ...{ name: `rule-${index}`, description: "looks", enforcementLevel: "mandatory" },
    validateResource: ({ props }: { props: Record<string, unknown> }) => seen.push({ name: props["name"] }),
  }));
  const request = new AnalyzeRequest();
  request["setType"]?.("host:index:Release");
  request["setProperties"]?.(properties);
  request["setOptions"]?.(new AnalyzerResourceOptions());
  await new Promise<void>((resolve, reject) =>
    makeAnalyzeRpcFun(
      "pack",
      "1.0.0",
      "mandatory",
      policies,
    )({ request }, (error) => (error ? reject(error as Error) : resolve())),
  );
  return { seen, reads };
}

test("a resource is read once, however many rules look at it, and each sees it", async () => {
  const { seen, reads } = await judged(17, Struct.fromJavaScript({ name: "ezra" }));
  expect(seen).toEqual(Array.from({ length: 17 }, () => ({ name: "ezra" })));
  expect(reads).toBe(1);
});

test("another resource is read for itself", async () => {
  await judged(2, Struct.fromJavaScript({ name: "ezra" }));
  expect((await judged(2, Struct.fromJavaScript({ name: "bezalel" }))).seen).toEqual([
    { name: "bezalel" },
    { name: "bezalel" },
  ]);
});

test("what a rule puts right by itself is not asked for: no rule of ours does, and the answer says so", async () => {
  const bytes = new Proxy(Buffer.alloc(0), {
    get() {
      throw new Error("the request is read");
    },
  });
  const request = AnalyzerService["remediate"]!.requestDeserialize(bytes);
  expect(allPolicies(rulebook).filter((policy) => "remediateResource" in policy)).toEqual([]);
  const answer = await new Promise<Answer>((resolve, reject) =>
    makeRemediateRpcFun(
      "pack",
      "1.0.0",
      "mandatory",
      allPolicies(rulebook),
    )({ request }, (error, response) => (error ? reject(error as Error) : resolve(response))),
  );
  expect(answer.getRemediationsList()).toEqual([]);
});
