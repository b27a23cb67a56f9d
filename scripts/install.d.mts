interface LockPackages {
  packages: Record<string, { version?: string; integrity?: string; optional?: boolean }>;
}
export function olderThan(a: string, b: string): boolean;
export function installedMatches(lock: LockPackages, installed: LockPackages): boolean;
export function ensurePackages(root: string, progress: (line: string) => void): Promise<void>;
