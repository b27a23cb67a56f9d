/** The life of each resource on a real shell, without the engine: make, look, disturb, repair, change, take away. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { changes } from "../../provider/diff.ts";
import { CannotLook, Cancelled, ChangeFailed, Conflict, InitFailed } from "../../provider/errors.ts";
import { bursts } from "../../provider/host/burst.ts";
import { localTransport } from "../../provider/host/local.ts";
import { openSession, type Session } from "../../provider/host/session.ts";
import { check, read, reconcile, remove, type OpenHost } from "../../provider/operations.ts";
import type { Observed, Resource, State } from "../../provider/resource.ts";
import { files } from "../../provider/resources/files.ts";
import { release } from "../../provider/resources/release/release.ts";
import { unit } from "../../provider/resources/unit.ts";
import { user } from "../../provider/resources/user.ts";
import { formatPath, type Values } from "../../provider/values.ts";

let root: string;
let open: OpenHost;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "wizard-life-"));
  const transport = localTransport(root, "/");
  const session = openSession({
    name: "forge",
    transport,
    signal: new AbortController().signal,
    settled: bursts(),
    inform: () => {},
  });
  open = () => session;
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const at = (file: string) => path.join(root, file);
const write = (file: string, text: string) => {
  mkdirSync(path.dirname(at(file)), { recursive: true });
  writeFileSync(at(file), text);
};
const host = { name: "forge", transport: "local", root: "x" };

function declare(resource: Resource, given: Values): Values {
  const { inputs, failures } = check(resource, { host, ...given });
  expect(failures).toEqual([]);
  return inputs;
}
const warn = (message: string) => {
  throw new Error(`unexpected warning: ${message}`);
};
async function bring(resource: Resource, inputs: Values, old?: State): Promise<State> {
  const outputs = await reconcile({ resource, inputs, ...(old && { old }), preview: false, open, warn });
  return { inputs, outputs };
}
const look = (resource: Resource, state: State): Promise<Observed | undefined> =>
  read(resource, resource.id(state.inputs), state, open, warn);
/** Property paths that differ from what is wanted. */
async function drift(resource: Resource, state: State): Promise<string[]> {
  const seen = await look(resource, state);
  if (!seen) return ["gone"];
  return changes(seen.inputs, state.inputs).map(({ path: place }) => formatPath(place));
}

interface Life {
  resource: Resource;
  given: Values;
  /** Another wish for the same thing. */
  changed: Values;
  /** What must then be there. */
  holds: (which: "given" | "changed") => void;
  /** Disturbances with the drift each makes. */
  disturbances: [what: string, disturb: () => void, drift: string[]][];
  /** What must be left after removal. */
  gone: () => void;
}

const lives: Record<string, () => Life> = {
  Files: () => ({
    resource: files,
    given: { files: { "/etc/a.conf": { content: "one" }, "/etc/b.conf": { content: "b", mode: "0600" } } },
    changed: { files: { "/etc/a.conf": { content: "two" } } },
    holds: (which) => {
      expect(readFileSync(at("etc/a.conf"), "utf8")).toBe(which === "given" ? "one" : "two");
      expect(existsSync(at("etc/b.conf"))).toBe(which === "given");
    },
    disturbances: [
      ["content", () => write("etc/a.conf", "other"), ['files["/etc/a.conf"].content']],
      ["mode", () => chmodSync(at("etc/b.conf"), 0o644), ['files["/etc/b.conf"].mode']],
      ["absence", () => rmSync(at("etc/b.conf")), ['files["/etc/b.conf"]']],
      [
        "a link in its place",
        () => {
          rmSync(at("etc/a.conf"));
          symlinkSync("/etc/shadow", at("etc/a.conf"));
        },
        ['files["/etc/a.conf"].content'],
      ],
    ],
    gone: () => expect([existsSync(at("etc/a.conf")), existsSync(at("etc/b.conf"))]).toEqual([false, false]),
  }),
  Unit: () => {
    const file = "etc/systemd/system/hook.service";
    const wants = "etc/systemd/system/multi-user.target.wants/hook.service";
    return {
      resource: unit,
      given: { unit: "hook.service", content: "[Service]\nExecStart=/bin/true\n" },
      changed: { unit: "hook.service", content: "[Service]\nExecStart=/bin/false\n", enabled: false },
      holds: (which) => {
        expect(readFileSync(at(file), "utf8")).toContain(which === "given" ? "true" : "false");
        expect(existsSync(at(wants))).toBe(which === "given");
        if (which === "given") expect(readlinkSync(at(wants))).toBe("../hook.service");
      },
      disturbances: [
        ["content", () => write(file, "[Service]\n"), ["content"]],
        ["being disabled", () => rmSync(at(wants)), ["enabled"]],
        ["mode", () => chmodSync(at(file), 0o666), ["mode"]],
        [
          "a plain file in place of the wants link",
          () => {
            rmSync(at(wants));
            write(wants, "plain");
          },
          ["enabled", "wantedBy"],
        ],
        ["absence", () => rmSync(at(file)), ["gone"]],
      ],
      gone: () => expect([existsSync(at(file)), existsSync(at(wants))]).toEqual([false, false]),
    };
  },
  User: () => {
    const line = () => readFileSync(at("etc/passwd"), "utf8");
    const edit = (from: string, to: string) => write("etc/passwd", line().replace(from, to));
    return {
      resource: user,
      given: { user: "wizard-x", home: "/srv/wizards/x/home" },
      changed: { user: "wizard-x", home: "/srv/wizards/x/home", shell: "/bin/sh" },
      holds: (which) => expect(line()).toContain(which === "given" ? ":/usr/sbin/nologin\n" : ":/bin/sh\n"),
      disturbances: [
        ["another shell", () => edit("/usr/sbin/nologin", "/bin/bash"), ["shell"]],
        ["another home", () => edit("/srv/wizards/x/home", "/root"), ["home"]],
        ["absence", () => write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), ["gone"]],
      ],
      gone: () => expect(line()).not.toContain("wizard-x"),
    };
  },
  Release: () => {
    const place = (file: string) => `srv/wizards/x/current/${file}`;
    const given = {
      house: "/srv/wizards/x",
      group: "wizard-x",
      salt: "p/s",
      directories: { home: { mode: "0700" } },
    };
    return {
      resource: release,
      given: { ...given, files: { a: { content: "one" } }, links: { "home/a": { target: "a" } } },
      changed: { ...given, files: { a: { content: "two" }, b: { content: "b" } } },
      holds: (which) => {
        expect(readFileSync(at(place("a")), "utf8")).toBe(which === "given" ? "one" : "two");
        expect(existsSync(at("srv/wizards/x/home/a"))).toBe(which === "given");
      },
      disturbances: [
        ["content", () => write(place("a"), "other"), ["files.a.content"]],
        ["no current", () => rmSync(at("srv/wizards/x/current")), ["release"]],
        ["a missing link", () => rmSync(at("srv/wizards/x/home/a")), ['links["home/a"]']],
        ["absence", () => rmSync(at("srv/wizards/x"), { recursive: true }), ["gone"]],
      ],
      gone: () => expect(existsSync(at("srv/wizards/x"))).toBe(false),
    };
  },
};

describe.each(Object.keys(lives))("%s", (name) => {
  const life = lives[name]!();

  it("is made, is then as wanted, and making it again changes nothing", async () => {
    const state = await bring(life.resource, declare(life.resource, life.given));
    life.holds("given");
    expect(await drift(life.resource, state)).toEqual([]);
    let changed = 0;
    const counting: OpenHost = (connection) => ({
      ...open(connection),
      change: (plan) => ((changed += 1), open(connection).change(plan)),
    });
    await reconcile({
      resource: life.resource,
      inputs: state.inputs,
      old: state,
      preview: false,
      open: counting,
      warn,
    });
    expect(changed).toBe(0);
  });

  it.each(life.disturbances)("shows %s as drift, and repairs it", async (_, disturb, expected) => {
    const state = await bring(life.resource, declare(life.resource, life.given));
    disturb();
    expect(await drift(life.resource, state)).toEqual(expected);
    // As the engine does it: what was seen is the old state, and what is gone has none.
    const seen = await look(life.resource, state);
    const old = seen && { inputs: seen.inputs, outputs: seen.outputs };
    const repaired = await bring(life.resource, state.inputs, old);
    life.holds("given");
    expect(await drift(life.resource, repaired)).toEqual([]);
  });

  it("changes into what is wanted next, and leaves nothing of before", async () => {
    const state = await bring(life.resource, declare(life.resource, life.given));
    const next = await bring(life.resource, declare(life.resource, life.changed), state);
    life.holds("changed");
    expect(await drift(life.resource, next)).toEqual([]);
  });

  it("goes without a trace", async () => {
    const state = await bring(life.resource, declare(life.resource, life.given));
    await remove(life.resource, state, open);
    life.gone();
  });

  it("changes nothing in a preview", async () => {
    const inputs = declare(life.resource, life.given);
    await reconcile({ resource: life.resource, inputs, preview: true, open, warn });
    expect(existsSync(at("srv"))).toBe(false);
    expect(existsSync(at("etc"))).toBe(false);
  });
});

describe("what somebody else made", () => {
  const theirs = { files: { "/etc/motd": { content: "ours" } } };

  it("is a conflict that names it, and stays as it is", async () => {
    write("etc/motd", "theirs");
    await expect(bring(files, declare(files, theirs))).rejects.toThrow(Conflict);
    await expect(bring(files, declare(files, theirs))).rejects.toThrow("/etc/motd");
    expect(readFileSync(at("etc/motd"), "utf8")).toBe("theirs");
  });

  it("is warned of in a preview", async () => {
    write("etc/motd", "theirs");
    const warnings: string[] = [];
    const inputs = declare(files, theirs);
    await reconcile({
      resource: files,
      inputs,
      preview: true,
      open,
      warn: (message) => warnings.push(message),
    });
    expect(warnings).toEqual([expect.stringMatching(/^The update will fail: .*\/etc\/motd/)]);
  });

  it("is kept when adopted, and comes back on removal", async () => {
    write("etc/motd", "theirs");
    const state = await bring(files, declare(files, { ...theirs, adopt: true }));
    expect(readFileSync(at("etc/motd"), "utf8")).toBe("ours");
    await remove(files, state, open);
    expect(readFileSync(at("etc/motd"), "utf8")).toBe("theirs");
  });

  it("is no conflict where it is the same", async () => {
    write("etc/motd", "ours");
    await bring(files, declare(files, theirs));
    expect(lstatSync(at("etc/motd")).isFile()).toBe(true);
  });

  it("is not removed with ours: an account with our name that we did not make", async () => {
    write("etc/passwd", "wizard-x:x:5:5:somebody:/srv/wizards/x/home:/usr/sbin/nologin\n");
    const state = await bring(user, declare(user, { user: "wizard-x", home: "/srv/wizards/x/home" }));
    await remove(user, state, open);
    expect(readFileSync(at("etc/passwd"), "utf8")).toContain("wizard-x");
  });

  it("is not removed with ours: a file that was changed since", async () => {
    const state = await bring(files, declare(files, theirs));
    write("etc/motd", "edited by somebody");
    await remove(files, state, open);
    expect(readFileSync(at("etc/motd"), "utf8")).toBe("edited by somebody");
  });
});

describe("what a failure means for the state", () => {
  const inputs = () => declare(files, { files: { "/etc/a": { content: "a" } } });
  /** A session double that looks as the real one does and fails to change in a given way. */
  const failing = (error: Error): OpenHost => {
    return (connection) =>
      ({ observe: open(connection).observe, change: () => Promise.reject(error) }) satisfies Session;
  };
  const attempt = (error: Error, old?: State) =>
    reconcile({
      resource: files,
      inputs: inputs(),
      ...(old && { old }),
      preview: false,
      open: failing(error),
      warn,
    }).then(
      () => {
        throw new Error("it did not fail");
      },
      (failure: unknown) => failure,
    );
  const before: State = { inputs: { host, files: {}, adopt: false }, outputs: {} };

  it.each([
    ["a create that failed is kept as unfinished", new ChangeFailed("disk full", "as-before"), false, true],
    ["a create that was stopped is kept as unfinished", new Cancelled("stopped"), false, true],
    [
      "an update that switched nothing keeps the old state",
      new ChangeFailed("disk full", "as-before"),
      true,
      false,
    ],
    ["an update that was stopped beforehand keeps the old state", new Cancelled("stopped"), true, false],
    [
      "an update that failed behind the switch is kept as unfinished",
      new ChangeFailed("disk full", "switched"),
      true,
      true,
    ],
    [
      "an update that was reverted keeps the old state",
      new ChangeFailed("not well", "reverted"),
      true,
      false,
    ],
    [
      "an update that nobody has confirmed is unfinished",
      new ChangeFailed("gone", "unconfirmed"),
      true,
      true,
    ],
    ["a revert to something that is not well is unfinished", new ChangeFailed("ill", "unwell"), true, true],
    ["a first release that failed is unfinished", new ChangeFailed("ill", "stopped"), false, true],
  ])("%s", async (_, error, update, unfinished) => {
    const failure = await attempt(error, update ? before : undefined);
    expect(failure instanceof InitFailed).toBe(unfinished);
    expect((failure as Error).message).toContain(error.message);
  });

  it("a host that cannot be looked at keeps its state word for word", async () => {
    const state: State = { inputs: inputs(), outputs: { fact: 1 } };
    const blind: OpenHost = () => ({
      observe: () => Promise.reject(new CannotLook("no route")),
      change: () => Promise.reject(new Error("must not be called")),
    });
    const failure = await read(files, "id", state, blind, warn).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InitFailed);
    expect(failure).toMatchObject({ id: "id", ...state });
    expect((failure as Error).message).toContain("cannot be looked at: no route");
    await expect(remove(files, state, blind)).rejects.toThrow("cannot be looked at: no route");
  });
});
