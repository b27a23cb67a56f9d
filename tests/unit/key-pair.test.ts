/** Keys of hosts to come: what OpenSSH itself makes of them, and where they are kept. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { describe, expect, test } from "vitest";

import { parseHostKey } from "../../provider/host/host-key.ts";
import { makeKeyPair } from "../../provider/host/key-file.ts";
import { keyPair } from "../../provider/resources/key-pair.ts";
import { UNKNOWN } from "../../provider/values.ts";

const warn = () => undefined;

describe("a key pair", () => {
  // Every length of the padding at the end of the file.
  test.each(Array.from({ length: 9 }, (_, length) => "a".repeat(length + 1)))(
    "is one to OpenSSH, with the comment %s",
    (comment) => {
      const { publicKey, privateKey } = makeKeyPair(comment);
      const folder = mkdtempSync(path.join(os.tmpdir(), "key-pair-"));
      try {
        const file = path.join(folder, "key");
        writeFileSync(file, privateKey, { mode: 0o600 });
        const read = execFileSync("ssh-keygen", ["-y", "-P", "", "-f", file], { encoding: "utf8" });
        expect(read.trim()).toBe(`${publicKey} ${comment}`);
      } finally {
        rmSync(folder, { recursive: true });
      }
      expect(parseHostKey(publicKey)?.type).toBe("ssh-ed25519");
    },
  );

  test("is another one each time", () => {
    expect(makeKeyPair("ark").publicKey).not.toBe(makeKeyPair("ark").publicKey);
  });
});

describe("the resource KeyPair", () => {
  const inputs = { comment: "ark" };

  test("wants a comment that can stand in a key file", () => {
    expect(keyPair.check({ comment: "a b" }).failures).toHaveLength(1);
    expect(keyPair.check({}).failures).toHaveLength(1);
    expect(keyPair.check(inputs).failures).toEqual([]);
  });

  test("makes the key once; its private half is a secret of the state", async () => {
    const made = await keyPair.reconcile({ inputs, preview: false, warn });
    expect(Object.keys(made.outputs).sort()).toEqual(["comment", "privateKey", "publicKey"]);
    expect(made.secrets).toEqual([["privateKey"]]);
    const again = await keyPair.reconcile({
      inputs,
      old: { inputs, outputs: made.outputs },
      preview: false,
      warn,
    });
    expect(again).toEqual(made);
    const state = { inputs, outputs: made.outputs };
    expect(await keyPair.read(made.id, state, warn)).toEqual({ ...state, replaced: [] });
  });

  test("does not know the key in a preview", async () => {
    const { outputs } = await keyPair.reconcile({ inputs, preview: true, warn });
    expect(outputs).toEqual({ comment: "ark", publicKey: UNKNOWN, privateKey: UNKNOWN });
  });

  test("is another one under another comment", () => {
    expect(keyPair.diff(inputs, { comment: "barn" }).replaces).toHaveLength(1);
    expect(keyPair.diff(inputs, inputs).changes).toEqual([]);
  });
});
