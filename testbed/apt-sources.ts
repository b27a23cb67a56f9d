/** The Debian mirror this machine is set up for, so that none has to be named here. */
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";

export interface Mirror {
  uri: string;
  /** Keyring file the release is signed with, where the source names one. */
  keyring: string | undefined;
}

/** The first source that has `main` of the suite. Throws when there is none, naming the files that were read. */
export function mirrorOf(suite: string, folder = "/etc/apt"): Mirror {
  const files = sourceFiles(folder);
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    const found = file.endsWith(".sources") ? fromStanzas(text, suite) : fromLines(text, suite);
    if (found) return found;
  }
  throw new Error(
    `apt on this machine has no http or https source for Debian "${suite}", component main (read: ${files.join(", ") || "no file"}); add one`,
  );
}

function sourceFiles(folder: string): string[] {
  const parts = path.join(folder, "sources.list.d");
  const listed = (place: string): string[] => {
    try {
      return readdirSync(place).map((name) => path.join(place, name));
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    }
  };
  return [...listed(folder).filter((file) => file.endsWith("/sources.list")), ...listed(parts).sort()].filter(
    (file) => /\.(list|sources)$/.test(file),
  );
}

const usable = (uri: string | undefined): uri is string => /^https?:\/\//.test(uri ?? "");

function fromStanzas(text: string, suite: string): Mirror | undefined {
  for (const stanza of text.split(/\n\s*\n/)) {
    const field = (name: string): string[] => {
      const value = new RegExp(`^${name}:(.*(?:\\n[ \\t].*)*)`, "im").exec(
        stanza.replace(/^#.*\n?/gm, ""),
      )?.[1];
      return value?.trim().split(/\s+/) ?? [];
    };
    const uri = field("URIs").find(usable);
    const wanted =
      field("Types").includes("deb") &&
      field("Suites").includes(suite) &&
      field("Components").includes("main");
    if (wanted && uri !== undefined && field("Enabled")[0] !== "no") {
      const keyring = field("Signed-By")[0];
      return { uri, keyring: keyring?.startsWith("/") ? keyring : undefined };
    }
  }
  return undefined;
}

function fromLines(text: string, suite: string): Mirror | undefined {
  for (const line of text.split("\n")) {
    const [, options = "", uri, name, components = ""] =
      /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line.trim()) ?? [];
    if (name === suite && usable(uri) && components.trim().split(/\s+/).includes("main")) {
      return { uri, keyring: /signed-by=(\/\S+)/.exec(options)?.[1] };
    }
  }
  return undefined;
}
