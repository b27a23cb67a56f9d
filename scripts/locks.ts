/** The locks and pending operations a dead engine leaves in a backend that is a folder. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { processInfo, type ProcessInfo } from "../toolchain/process-info.ts";
import type { StackFiles } from "./stack.ts";

/** A lock as the engine writes it. */
export interface Lock {
  pid: number;
  username: string;
  hostname: string;
  timestamp: Date;
}

/** `dead`: its process ran on this machine and is gone. `elsewhere`: another machine's, nothing is known about it. */
export type LockOwner = "living" | "dead" | "elsewhere";

export interface Leftovers {
  locks: { lock: Lock; owner: LockOwner }[];
  /** Names of resources whose creation began and never ended; only a refresh with a special option clears them. */
  pendingCreates: string[];
}

/** Reads a lock file. Throws on anything else. */
export function parseLock(text: string): Lock {
  const value = JSON.parse(text) as Record<string, unknown>;
  const { pid, username, hostname, timestamp } = value;
  if (typeof pid !== "number" || typeof username !== "string" || typeof hostname !== "string") {
    throw new Error("not a lock: pid, username or hostname is missing");
  }
  if (typeof timestamp !== "string" || Number.isNaN(Date.parse(timestamp))) {
    throw new Error("not a lock: timestamp is missing or no date");
  }
  return { pid, username, hostname, timestamp: new Date(timestamp) };
}

/** A process is the lock's owner if it is a pulumi that was there when the lock was written. */
export function lockOwner(lock: Lock, hostname: string, process: ProcessInfo | undefined): LockOwner {
  if (lock.hostname !== hostname) return "elsewhere";
  if (process === undefined || !process.command.includes("pulumi")) return "dead";
  // Start times are exact to a second or two.
  return process.startedAt.getTime() <= lock.timestamp.getTime() + 2000 ? "living" : "dead";
}

/** Reads what is there. A stack without state has nothing. */
export function findLeftovers(files: StackFiles): Leftovers {
  return {
    locks: readLocks(files.locks).map((lock) => ({
      lock,
      owner: lockOwner(lock, os.hostname(), processInfo(lock.pid)),
    })),
    pendingCreates: existsSync(files.state) ? pendingCreates(readFileSync(files.state, "utf8")) : [],
  };
}

function readLocks(folder: string): Lock[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => parseLock(readFileSync(path.join(folder, name), "utf8")));
}

/** Names of the resources a state file lists as being created. */
export function pendingCreates(state: string): string[] {
  const { checkpoint } = JSON.parse(state) as {
    checkpoint?: { latest?: { pending_operations?: { type: string; resource: { urn: string } }[] } };
  };
  return (checkpoint?.latest?.pending_operations ?? [])
    .filter((operation) => operation.type === "creating")
    .map((operation) => operation.resource.urn.split("::").at(-1) ?? "");
}

/** One line about a lock for the operator. */
export function describeLock({ pid, username, hostname, timestamp }: Lock): string {
  return `${username}@${hostname}, process ${pid}, since ${timestamp.toISOString()}`;
}
