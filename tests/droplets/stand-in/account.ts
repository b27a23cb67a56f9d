/** The account at the stand-in's cloud: a folder with a file for each thing in it. */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/** What the account is, and what its owner may be denied. */
export interface Terms {
  /** Bed whose machines are its droplets. */
  bed: string;
  /** Who knows it owns the account. */
  token: string;
  /** By the name of a droplet: it is made and never becomes active. */
  stillborn?: string[];
}

export interface Thing {
  id: string;
  /** Inputs as they were accepted. */
  inputs: Record<string, unknown>;
  /** What the cloud adds, as the resource's outputs. */
  facts: Record<string, unknown>;
}

export class Account {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get terms(): Terms {
    return JSON.parse(readFileSync(path.join(this.#folder, "account.json"), "utf8")) as Terms;
  }

  set terms(terms: Terms) {
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(path.join(this.#folder, "account.json"), JSON.stringify(terms), { mode: 0o600 });
  }

  all(kind: string): Thing[] {
    const folder = path.join(this.#folder, kind);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")) as Thing);
  }

  get(kind: string, id: string): Thing | undefined {
    return this.all(kind).find((thing) => thing.id === id);
  }

  put(kind: string, thing: Thing): void {
    const file = path.join(this.#folder, kind, `${encodeURIComponent(thing.id)}.json`);
    mkdirSync(path.dirname(file), { recursive: true });
    // User data has a key in it.
    writeFileSync(`${file}.new`, JSON.stringify(thing), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  drop(kind: string, id: string): void {
    rmSync(path.join(this.#folder, kind, `${encodeURIComponent(id)}.json`), { force: true });
  }

  /** Names of everything there is, by kind. */
  inventory(): Record<string, string[]> {
    const kinds = readdirSync(this.#folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const found = kinds.map(({ name }) => [
      name,
      this.all(name).map(({ inputs, id }) => String(inputs["name"] ?? id)),
    ]);
    return Object.fromEntries(found.filter(([, names]) => names!.length > 0)) as Record<string, string[]>;
  }
}
