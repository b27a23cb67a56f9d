/** Changing the key of a host: whatever it is cut off at, the next attempt gets in, and nobody is believed for long. */
import { describe, expect, test } from "vitest";

import { CannotLook } from "../../provider/errors.ts";
import type { Fact, Facts } from "../../provider/host/facts.ts";
import { makeKeyPair } from "../../provider/host/key-file.ts";
import type { Step } from "../../provider/host/steps.ts";
import type { OpenHost } from "../../provider/operations.ts";
import { hostKey } from "../../provider/resources/host-key.ts";
import { sha256 } from "../../provider/resources/observed.ts";
import { UNKNOWN, type Values } from "../../provider/values.ts";

const FILE = "/etc/ssh/ssh_host_ed25519_key";
const [born, next, other] = [makeKeyPair("born"), makeKeyPair("next"), makeKeyPair("other")];
const inputs: Values = {
  host: { name: "ark", transport: "ssh", address: "198.18.0.2", user: "root", hostKey: born.publicKey },
  ...next,
};
const warn = () => undefined;

/** A host that shows the key whose private half is in its file, to whoever has its public half pinned. */
class Host {
  files = new Map([[FILE, { content: born.privateKey, mode: "0600" }]]);
  /** Steps it still carries out before it is cut off. */
  steps = Infinity;

  get shows(): string {
    const { content } = this.files.get(FILE)!;
    return [born, next, other].find(({ privateKey }) => privateKey === content)!.publicKey;
  }

  readonly open: OpenHost = (connection) => {
    const believed = [connection["hostKey"], connection["formerHostKey"]];
    const dial = () => {
      if (!believed.includes(this.shows)) throw new CannotLook("its host key is not the pinned one");
    };
    return {
      observe: ({ paths }) => {
        dial();
        const seen = paths.map((path): [string, Fact] => {
          const file = this.files.get(path);
          if (!file) return [path, { kind: "absent" }];
          const { content, mode } = file;
          const size = content.length;
          return [path, { kind: "file", mode, owner: "root", group: "root", size, sha256: sha256(content) }];
        });
        return Promise.resolve({ paths: new Map(seen) } as unknown as Facts);
      },
      change: ({ steps }) => {
        dial();
        for (const step of steps) this.#carryOut(step);
        return Promise.resolve();
      },
    };
  };

  #carryOut(step: Step): void {
    if (this.steps-- <= 0) throw new Error("killed");
    if (step.do !== "file") throw new Error(`no step ${step.do} is expected`);
    this.files.set(step.path, { content: String(step.content), mode: step.mode });
  }
}

const asked = async <Answer>(work: () => Promise<Answer>): Promise<Answer | Error> => {
  try {
    return await work();
  } catch (error) {
    return error as Error;
  }
};

describe("the key of a host", () => {
  test("is changed, and told once the host has been logged in to with it", async () => {
    const host = new Host();
    const made = await hostKey(host.open).reconcile({ inputs, preview: false, warn });
    expect(made).toEqual({ id: "ark:host-key", outputs: { hostKey: next.publicKey } });
    expect(host.files).toEqual(
      new Map([
        [FILE, { content: next.privateKey, mode: "0600" }],
        [`${FILE}.pub`, { content: `${next.publicKey}\n`, mode: "0644" }],
      ]),
    );
  });

  test.each([0, 1, 2])("cut off after %i steps, the next attempt finishes", async (steps) => {
    const host = new Host();
    host.steps = steps;
    await asked(() => hostKey(host.open).reconcile({ inputs, preview: false, warn }));
    host.steps = Infinity;
    const made = await hostKey(host.open).reconcile({ inputs, preview: false, warn });
    expect(made.outputs).toEqual({ hostKey: next.publicKey });
    expect(host.shows).toBe(next.publicKey);
  });

  test("a second time changes nothing", async () => {
    const host = new Host();
    await hostKey(host.open).reconcile({ inputs, preview: false, warn });
    host.steps = 0;
    await hostKey(host.open).reconcile({ inputs, preview: false, warn });
  });

  test("a host that shows a third key is not believed, and nothing is written to it", async () => {
    const host = new Host();
    host.files.set(FILE, { content: other.privateKey, mode: "0600" });
    const failed = await asked(() => hostKey(host.open).reconcile({ inputs, preview: false, warn }));
    expect((failed as Error).message).toBe(
      "ark:host-key cannot be looked at: its host key is not the pinned one",
    );
    expect(host.shows).toBe(other.publicKey);
  });

  test("that it was born with is believed no more once it has been changed", async () => {
    const host = new Host();
    const { outputs } = await hostKey(host.open).reconcile({ inputs, preview: false, warn });
    const state = { inputs, outputs };
    expect(await hostKey(host.open).read("ark:host-key", state, warn)).toEqual({ ...state, replaced: [] });
    host.files.set(FILE, { content: born.privateKey, mode: "0600" });
    const seen = await asked(() => hostKey(host.open).read("ark:host-key", state, warn));
    expect((seen as Error).message).toContain("cannot be looked at");
  });

  test("is not known in a preview before it is there, and stays what it is afterwards", async () => {
    const host = new Host();
    const preview = await hostKey(host.open).reconcile({ inputs, preview: true, warn });
    expect(preview.outputs).toEqual({ hostKey: UNKNOWN });
    const old = { inputs, outputs: { hostKey: next.publicKey } };
    const later = await hostKey(host.open).reconcile({ inputs, old, preview: true, warn });
    expect(later.outputs).toEqual(old.outputs);
    expect(host.shows).toBe(born.publicKey);
  });

  test("must be one, and the host must have one pinned", () => {
    const { check } = hostKey(new Host().open);
    expect(check(inputs).failures).toEqual([]);
    expect(check({ ...inputs, publicKey: "ssh-ed25519 AAAA" }).failures).toHaveLength(1);
    const { hostKey: _pin, ...unpinned } = inputs["host"] as Values;
    expect(check({ ...inputs, host: unpinned }).failures).toHaveLength(1);
  });
});
