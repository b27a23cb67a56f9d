/** Reading the files of a `Release` as a policy sees them: properties that may be unknown, secrets in clear. */

export const RELEASE = "host:index:Release";

/**
 * Text of a release file, or why there is none to judge. A rule reports the reason as a violation: the SDK turns a
 * whole rule advisory once an unknown value escapes from it, so what cannot be judged must not pass.
 */
export type FileText = { text: string } | { problem: string };

/** Reads `files[path].content` of a release's inputs. */
export function releaseFile(props: Record<string, unknown>, path: string): FileText {
  try {
    const content = property(property(property(props, "files"), path), "content");
    if (typeof content === "string") return { text: content };
    return { problem: `${path} is missing from the release; every house must have it` };
  } catch (error) {
    if (!isUnknownValue(error)) throw error;
    return {
      problem: `${path} is not known at preview, so it cannot be judged; make its content a plain value`,
    };
  }
}

/** Names of all files, or why they cannot be told. */
export function releasePaths(props: Record<string, unknown>): { paths: string[] } | { problem: string } {
  try {
    const files = property(props, "files");
    return { paths: typeof files === "object" && files !== null ? Object.keys(files) : [] };
  } catch (error) {
    if (!isUnknownValue(error)) throw error;
    return { problem: "the release's files are not known at preview, so they cannot be judged" };
  }
}

function property(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

/** The SDK throws a class that it does not export at each access to an unknown value. */
function isUnknownValue(error: unknown): boolean {
  return error instanceof Error && "unknownTypeSentinel" in error;
}
