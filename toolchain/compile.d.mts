/** Entry points, each with the packages that whoever loads it keeps outside. */
export const ENTRIES: readonly [string, readonly string[]][];
