/** Mutants that no case notices, and why that is right. A survivor that is not listed makes the run fail. */

interface Explained {
  file: string;
  /** Parts of what was written and of what took its place. */
  was: string;
  becomes: string;
  why: string;
}

export const EXPLAINED: readonly Explained[] = [];
