import type { RunPluginRequest, RunRequest } from "@pulumi/pulumi/proto/language_pb.js";

interface RuntimeOptions {
  nodeargs?: string;
  typescript?: boolean;
  tsconfig?: string;
}
export function hostArguments(argv: readonly string[]): { engineAddress: string; tracing: string };
export function programArguments(
  script: string,
  request: RunRequest,
  host: { engineAddress: string; tracing: string; options: RuntimeOptions },
): string[];
export function pluginArguments(script: string, request: RunPluginRequest, directory: string): string[];
export function programEnvironment(
  request: RunRequest | undefined,
  options: RuntimeOptions,
): Record<string, string>;
export function programFailure(code: number | null, signal: string | null): { error: string; bail: boolean };
export function splitWords(text: string): string[];
