/** Files of the project that resources name by path and digest. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterEach, beforeEach, expect, it } from "vitest";

import { source } from "../../components/source.ts";
import { bytesOf, contentOf, digestOf, projectFile, ProjectFileChanged } from "../../fleet/project-file.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(path.join(os.tmpdir(), "project-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const put = (text: string): void => writeFileSync(path.join(folder, "a.sh"), text);

it("have the digest of what they hold, however that is said", () => {
  put("one, ü\n");
  const file = projectFile("a.sh", folder);
  expect(digestOf(file)).toBe(digestOf({ content: "one, ü\n" }));
  expect(bytesOf(file, folder).toString("utf8")).toBe("one, ü\n");
  expect(contentOf({ ...file, mode: "0640" } as typeof file)).toEqual(file);
});

it("are sent as declared or not at all", () => {
  put("two\n");
  const file = projectFile("a.sh", folder);
  put("three\n");
  expect(() => bytesOf(file, folder)).toThrow(ProjectFileChanged);
  expect(() => bytesOf(file, folder)).toThrow(
    "a.sh of this project holds something else than when the program ran; run the command again",
  );
  rmSync(path.join(folder, "a.sh"));
  expect(() => bytesOf(file, folder)).toThrow("a.sh of this project cannot be read any more (ENOENT)");
});

it("of the components are found from the project's folder, where the engine starts provider and pack", () => {
  const script = source("deadman/deadman.sh");
  expect(script.source).toBe("components/deadman/deadman.sh");
  expect(bytesOf(script)).toEqual(readFileSync("components/deadman/deadman.sh"));
});
