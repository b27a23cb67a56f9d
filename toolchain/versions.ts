/** The versions everything is built on, read from `versions.json`, the one place where they are set. */
import versions from "./versions.json" with { type: "json" };

/**
 * `node` and `go` are minimums, the others exact. `pulumi` is the version of the engine and of the npm packages
 * `pulumi` and `@pulumi/pulumi` alike.
 */
export const VERSIONS: Readonly<Record<keyof typeof versions, string>> = versions;
