/** Keeps node_modules equal to package-lock.json. Plain JavaScript without dependencies: see run.mjs. */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";

/** Whether version `a` is older than `b`; both are `major.minor.patch`. */
export function olderThan(a, b) {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  for (let part = 0; part < 3; part++) {
    if (left[part] !== right[part]) return left[part] < right[part];
  }
  return false;
}

/**
 * Whether what npm recorded as installed is what the lock file asks for. npm writes its record
 * (node_modules/.package-lock.json) as its last step. Packages for other platforms are in the lock file only.
 */
export function installedMatches(lock, installed) {
  const wanted = Object.entries(lock.packages).filter(([location]) => location !== "");
  const present = installed.packages;
  for (const [location, entry] of wanted) {
    const found = present[location];
    if (found === undefined) {
      if (!entry.optional) return false;
      continue;
    }
    if (found.version !== entry.version || found.integrity !== entry.integrity) return false;
  }
  return Object.keys(present).every((location) => location in lock.packages);
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    // Absent, or cut off in the middle of being written: not usable either way.
    if (error.code === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Runs `npm ci` when it is needed. `progress` is told one line before and after. Throws when npm fails. */
export async function ensurePackages(root, progress) {
  const record = path.join(root, "node_modules", ".package-lock.json");
  const lock = readJson(path.join(root, "package-lock.json"));
  if (lock === undefined)
    throw new Error(`${root}/package-lock.json is missing or broken; restore it with git`);
  const installed = readJson(record);
  if (installed !== undefined && installedMatches(lock, installed)) return;

  progress("installing packages (npm ci); this takes about half a minute");
  const started = Date.now();
  // Without npm's record, an installation that is interrupted from here on is noticed the next time.
  rmSync(record, { force: true });
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (npm.error)
    throw new Error(`npm cannot be started (${npm.error.message}); install npm together with Node.js`);
  if (npm.status !== 0) {
    throw new Error(
      `${npm.stdout}${npm.stderr}npm ci failed (${npm.signal ?? `exit code ${npm.status}`}), see above`,
    );
  }
  progress(`installed packages in ${Math.round((Date.now() - started) / 1000)} s`);
}
