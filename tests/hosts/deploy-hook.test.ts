/**
 * From a merge on a real forge to gateways that are well, and everything that must not get in that way. The figures go to
 * the file that DEPLOY_HOOK_FIGURES names; `npm run test:hook` reads them. With DEPLOY_HOOK_SABOTAGE=hmac the hook asks for
 * no signature before each attack, and many must fail.
 */
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { hooksFile } from "../../components/deploy-hook/hooks.ts";
import { exec, type Machine } from "../../testbed/index.ts";
import { install, makeDeployBed, SECRET, type DeployBed } from "./deploy-bed.ts";
import { giteaPush, hmac, pushBody, Sender, withHeaders, type Delivery } from "./deliveries.ts";
import { inside } from "./fleet.ts";
import { freshMachines } from "./machines.ts";
import { within } from "./within.ts";

const HOUSES = { bezalel: "forge", ezra: "tower", allegro: "ark" } as const;
type House = keyof typeof HOUSES;
const NAMES = Object.keys(HOUSES) as House[];

let bed: DeployBed;
let sender: Sender;
let secret = SECRET;
let machines: Record<(typeof HOUSES)[House] | "helm", Machine>;
const control = (script: string): Promise<string> => inside(machines.helm, script);
const on = (house: House, script: string): Promise<string> => inside(machines[HOUSES[house]], script);

beforeAll(async () => {
  const [helm, forge, tower, ark] = (await freshMachines(4)) as [Machine, Machine, Machine, Machine];
  machines = { helm, forge, tower, ark };
  bed = await makeDeployBed(helm, { forge, tower, ark });
  bed.fleet.edit("wizards/allegro/house.yaml", "host: tower", "host: ark");
  bed.fleet.edit("Pulumi.testbed.yaml", "config:\n", "config:\n  wizard-houses:afterCanary: parallel\n");
  bed.commit("The fleet");
  bed.git("push", "--quiet", "--force", "origin", "main");
  await install(bed);
  const rule = { rule_name: "main", enable_push: true, enable_push_whitelist: true };
  await forge_("POST", "branch_protections", { ...rule, push_whitelist_usernames: ["operator"] });
  sender = new Sender(bed.url, bed.trust);
});
afterAll(() => bed?.cleanup());

const forge_ = <T = unknown>(method: string, place: string, body?: unknown): Promise<T> =>
  bed.gitea.call<T>(bed.operator, method, `repos/${bed.repository.fullName}/${place}`, body);
const push = (delivery: Readonly<Record<string, unknown>> = {}, key = secret): Delivery =>
  giteaPush(key, pushBody(bed.repository.fullName, delivery));

/** Lines of the hook's journal, the newest last. */
const stories = async (): Promise<string[]> =>
  (await control("journalctl -t wizard-deploy -o cat --no-pager")).split("\n").filter(Boolean);
/** Runs that were begun so far. */
const runs = async (unit = "deploy-fetch"): Promise<number> =>
  Number(await control(`journalctl -u ${unit}.service -o cat --no-pager | grep -c '^Starting ' || :`));
const deployed = async (): Promise<string> =>
  (await control("cat /var/lib/deploy-converge/deployed 2>/dev/null || :")).trim();
const idle = async (): Promise<boolean> =>
  (
    await control(
      "systemctl list-jobs --no-legend | grep -c deploy- ; systemctl show -P ActiveState deploy-fetch deploy-build deploy-converge deploy-report | grep -c activating; ls -A /var/lib/deploy-hook/queue | wc -l",
    )
  ).replaceAll(/\s/g, "") === "000";

async function until(what: string, seconds: number, condition: () => Promise<boolean>): Promise<void> {
  if (await within(seconds, condition)) return;
  const journal = await control("journalctl --no-pager -n 80 -o short-monotonic");
  throw new Error(`${what}: not within ${seconds} s\n${journal}`);
}
const settled = (): Promise<void> => until("no run is under way", 120, idle);

/** Commits, pushes, and waits until the run for it is over. */
async function pushed(
  message: string,
  key: Parameters<DeployBed["commit"]>[1] = "operator",
): Promise<string> {
  const commit = bed.commit(message, key);
  const before = (await stories()).length;
  bed.git("push", "--quiet", "origin", "main");
  await until("a run", 120, async () =>
    (await stories()).slice(before).some((line) => line.startsWith(commit.slice(0, 10))),
  );
  await settled();
  return commit;
}
/** Takes commits back that were not to be deployed, so that the next one stands on what is. */
async function withdraw(): Promise<void> {
  bed.git("reset", "--quiet", "--hard", await deployed());
  await forge_("PATCH", "branch_protections/main", { enable_force_push: true });
  await pushedInVain();
}

/** Pushes what is deployed: the forge's delivery comes a little later, and the run that it wakes finds nothing new. */
async function pushedInVain(): Promise<void> {
  const before = (await stories()).length;
  bed.git("push", "--quiet", "--force", "origin", "main");
  await until("the run finds nothing new", 60, async () =>
    (await stories()).slice(before).some((line) => line.startsWith("nothing new: ")),
  );
  await settled();
}

interface Status {
  id: number;
  status: string;
  context: string;
  description: string;
}
/** The newest of our own: the forge's runner of workflows, which nobody has here, sets another that waits for ever. */
const statusOf = async (commit: string): Promise<Status | undefined> =>
  (await forge_<Status[]>("GET", `commits/${commit}/statuses`))
    .filter(({ context }) => context.startsWith("deploy/"))
    .sort((a, b) => b.id - a.id)[0];

let edits = 0;
/** A change of every house. */
const change = (): void =>
  bed.fleet.edit("wizards/base/SOUL.md", /(\n<!-- \d+ -->)?\s*$/, `\n<!-- ${++edits} -->\n`);

/** When each house was switched, and when the last was confirmed; seconds. */
async function times(): Promise<{ mutation: number; confirmed: number }> {
  const stamps = await Promise.all(
    NAMES.map(async (house) => {
      const at = `/srv/wizards/${house}`;
      const said = await on(
        house,
        `stat -c %.9Z ${at}/$(readlink ${at}/current); stat -c %.9Z ${at}/known-good`,
      );
      return said.trim().split("\n").map(Number) as [number, number];
    }),
  );
  return {
    mutation: Math.min(...stamps.map(([first]) => first)),
    confirmed: Math.max(...stamps.map(([, last]) => last)),
  };
}

const figures: Record<string, number> = {};
const note = (name: string, value: number): void => {
  figures[name] = Math.round(value * 100) / 100;
  const file = process.env["DEPLOY_HOOK_FIGURES"];
  if (file !== undefined) writeFileSync(file, JSON.stringify(figures));
};

/** A change as its author proposes it, merged by an operator as it was signed. Returns when the forge had merged it. */
async function merge(): Promise<{ commit: string; at: number }> {
  bed.git("checkout", "--quiet", "-B", "proposal");
  change();
  const commit = bed.commit("A change");
  bed.git("push", "--quiet", "--force", "origin", "proposal");
  const wanted = { head: "proposal", base: "main", title: "A change" };
  const { number } = await forge_<{ number: number }>("POST", "pulls", wanted);
  await until("the forge has looked at it", 20, async () => {
    return (await forge_<{ mergeable: boolean }>("GET", `pulls/${number}`)).mergeable;
  });
  await forge_("POST", `pulls/${number}/merge`, { Do: "fast-forward-only" });
  const at = Date.now() / 1000;
  bed.git("checkout", "--quiet", "-B", "main");
  return { commit, at };
}

describe("a merge", () => {
  it.each(["for the first time", "again"])("is live and confirmed on all houses, %s", async (turn) => {
    const { commit, at } = await merge();
    await until("it is deployed", 120, async () => (await deployed()) === commit);
    await settled();
    for (const house of NAMES) {
      expect(await on(house, `cat /srv/wizards/${house}/home/SOUL.md`)).toContain(`<!-- ${edits} -->`);
    }
    const { mutation, confirmed } = await times();
    expect(mutation).toBeGreaterThan(at - 1);
    const name = turn === "again" ? "" : "Cold";
    note(`mergeToMutation${name}`, mutation - at);
    note(`mergeToConfirmed${name}`, confirmed - at);
    expect(await statusOf(commit)).toMatchObject({ status: "success", context: "deploy/testbed" });
  });

  it("goes on when what wakes runs and what serves them is changed by it", async () => {
    const pid = await control("systemctl show -P MainPID webhook.service");
    bed.fleet.editFleet((data) => ((data["deployHook"] as Record<string, unknown>)["deadline"] = 901));
    secret = "0b7d5e8a94c14f6d8e21aa60f3b9c7d5";
    for (const [name, value] of [
      ["deployHookFormerSecret", SECRET],
      ["deployHookSecret", secret],
    ] as const)
      expect((await bed.fleet.run("pulumi", ["config", "set", "--secret", name, value])).code).toBe(0);
    const commit = await pushed("Another secret, another deadline");
    expect(await deployed()).toBe(commit);
    expect(await control("systemctl show -P MainPID webhook.service")).not.toBe(pid);
    expect(await control("systemctl show -P TimeoutStartUSec deploy-converge.service")).toBe("15min 1s\n");
    expect(await statusOf(commit)).toMatchObject({ status: "success" });
  });

  it("cannot be made by the account that sets statuses", async () => {
    const file = { content: Buffer.from("x").toString("base64"), message: "x", branch: "main" };
    const place = `repos/${bed.repository.fullName}/contents/x.txt`;
    await expect(bed.gitea.call(bed.deployer, "POST", place, file)).rejects.toThrow(/HTTP (403|422)/);
  });
});

/** Milliseconds in which it answers whatever goes on, also where others want the processor; a forge waits for five seconds. */
const PROMPT = 4500;

/** Where a whole run is waited for, or two. */
const PATIENT = { timeout: 480_000 };

/** Runs an attack; nothing may come of it, and the hook is well afterwards. */
async function inVain(attack: () => Promise<void>, pause = 300): Promise<void> {
  await settled();
  const [before, was] = [await runs(), await deployed()];
  await attack();
  await sleep(pause);
  expect(await runs(), "runs that it began").toBe(before);
  expect(await deployed()).toBe(was);
  expect(await sender.get("/health")).toMatchObject({ status: 200, body: "ok" });
}

const CREDENTIAL = "/etc/credstore/deploy-hooks.json";

const serves = async (): Promise<boolean> => (await sender.get("/health")).status === 200;

/** The hook as it would be without its rule. */
async function askForNoSignature(): Promise<void> {
  const open = JSON.parse(hooksFile("gitea", "/usr/local/lib/wizard-deploy/accept.sh", [secret])) as Record<
    string,
    unknown
  >[];
  delete open[0]!["trigger-rule"];
  await control(
    `cp ${CREDENTIAL} /root/hooks && cat >${CREDENTIAL} <<'END'\n${JSON.stringify(open)}\nEND\nsystemctl reset-failed webhook; systemctl restart webhook`,
  );
  await until("it serves", 30, serves);
}

describe("attack", () => {
  beforeEach(async () => {
    // A run puts right what was changed by hand.
    if (process.env["DEPLOY_HOOK_SABOTAGE"] === "hmac") await askForNoSignature();
    await settled();
  });
  const drop = ["X-Gitea-Signature"];

  it("no signature", () =>
    inVain(async () => expect((await sender.send(withHeaders(push(), drop))).status).toBe(401)));

  it("a wrong signature, an empty one, one of another hash", () =>
    inVain(async () => {
      for (const wrong of ["0".repeat(64), "", "0".repeat(40), `sha256=${"0".repeat(64)}`]) {
        const forged = withHeaders(push(), drop, [["X-Gitea-Signature", wrong]]);
        expect((await sender.send(forged)).status).toBe(401);
      }
      expect((await sender.send(push({}, "another secret altogether"))).status).toBe(401);
      expect((await sender.send(push({}, ""))).status).toBe(401);
    }));

  it("a signature over other bytes", () =>
    inVain(async () => {
      const delivery = push();
      expect((await sender.send({ ...delivery, body: `${delivery.body} ` })).status).toBe(401);
    }));

  it("a replay", async () => {
    const delivery = push();
    expect((await sender.send(delivery)).status).toBe(200);
    await settled();
    expect((await stories()).at(-1)).toMatch(/^nothing new: /);
    await inVain(async () => {
      expect((await sender.send(delivery)).status).toBe(409);
      const other = withHeaders(delivery, [], [["X-Gitea-Delivery", "another"]]);
      expect((await sender.send(other)).status).toBe(409);
    });
    expect((await stories()).at(-1)).toMatch(/^delivery [0-9a-f]{12}: refused: it was here before$/);
  });

  it("another repository", async () => {
    await inVain(async () => {
      for (const full_name of ["mallory/timmy-config", `${bed.repository.fullName}\n`, 7, undefined])
        expect((await sender.send(push({ repository: { full_name } }))).status).toBe(409);
    });
    expect((await stories()).join("\n")).toContain(
      "refused: of repository mallory/timmy-config, not operator/timmy-config",
    );
  });

  it("another branch, a tag, another event; a ping is answered", () =>
    inVain(async () => {
      for (const ref of ["refs/heads/other", "refs/tags/main", "main", "refs/heads/main/x", undefined])
        expect((await sender.send(push({ ref }))).body).toContain("ignored");
      const body = pushBody(bed.repository.fullName);
      expect((await sender.send(giteaPush(secret, body, "issues"))).body).toContain("ignored");
      expect(await sender.send(giteaPush(secret, `${body} `, "ping"))).toMatchObject({
        status: 200,
        body: "pong",
      });
    }));

  it("a branch that is set back to an older commit", async () => {
    const head = await deployed();
    await forge_("PATCH", "branch_protections/main", { enable_force_push: true });
    bed.git("push", "--quiet", "--force", "origin", `${head}~1:main`);
    const older = bed.git("rev-parse", `${head}~1`);
    await until(
      "it is told",
      150,
      async () => (await stories()).at(-1)?.includes("is not newer than") ?? false,
    );
    await settled();
    expect(await deployed()).toBe(head);
    expect(await statusOf(older)).toMatchObject({ status: "failure" });
    await pushedInVain();
  });

  it.each(["stranger", "none"] as const)("a commit with a signature of %s", async (key) => {
    const head = await deployed();
    change();
    const commit = await pushed("Not an operator's", key);
    expect(await deployed()).toBe(head);
    expect(await statusOf(commit)).toMatchObject({
      status: "failure",
      description: expect.stringMatching(/is not signed by a key of/) as string,
    });
    await withdraw();
  });

  it("a signed commit that bans less than the control house wants", async () => {
    const head = await deployed();
    bed.fleet.edit("wizards/fleet.yaml", /- "?\*claude\*"?\n/, "- claude-only\n");
    const commit = await pushed("Fewer bans");
    expect(await deployed()).toBe(head);
    expect(await statusOf(commit)).toMatchObject({
      status: "failure",
      description: expect.stringMatching(/no longer bans models/) as string,
    });
    await withdraw();
  });

  it("a body of 50 MB, signed", () =>
    inVain(async () => {
      const body = pushBody(bed.repository.fullName, { padding: "x".repeat(50_000_000) });
      expect([413, 0]).toContain((await sender.send(giteaPush(secret, body))).status);
      const peaks = await control(
        "sed -n 's/^VmHWM: *//p' $(pgrep -x 'webhook|caddy' | sed 's,.*,/proc/&/status,')",
      );
      const megabytes = peaks
        .trim()
        .split("\n")
        .map((peak) => Number.parseInt(peak) / 1024);
      expect(megabytes).toHaveLength(2);
      for (const peak of megabytes) expect(peak).toBeLessThan(150);
    }));

  it("senders that take their time: 300 connections at a byte every half second", async () => {
    await inVain(async () => {
      const slow = Array.from({ length: 300 }, () => sender.drip('{"ref":'));
      await sleep(2000);
      expect((await sender.get("/health")).milliseconds).toBeLessThan(PROMPT);
      expect((await sender.send(push({ ref: "refs/heads/other" }))).milliseconds).toBeLessThan(PROMPT);
      expect(Math.max(...(await Promise.all(slow)))).toBeLessThan(20_000);
    });
  });

  it("a thousand requests in a second, and the next good one counts", async () => {
    await inVain(async () => {
      const forged = withHeaders(push(), drop, [["X-Gitea-Signature", "0".repeat(64)]]);
      const replies = await Promise.all(Array.from({ length: 1000 }, () => sender.send(forged)));
      expect(replies.filter(({ status }) => ![401, 502, 503, 0].includes(status))).toEqual([]);
    });
    const good = await sender.send(push());
    expect(good).toMatchObject({ status: 200 });
    expect(good.milliseconds).toBeLessThan(PROMPT);
  });

  it("paths that mean the same to somebody", () =>
    inVain(async () => {
      const id = "deploy-timmy-config";
      const paths = [
        `//hooks/${id}`,
        `/hooks//${id}`,
        `/hooks/./${id}`,
        `/x/../hooks/${id}`,
        `/hooks/${id}/`,
      ];
      paths.push(
        `/hooks/%64eploy-timmy-config`,
        `/hooks/${id}?x=1`,
        `/HOOKS/${id}`,
        `/hooks/${id}%00`,
        "/hooks/health",
        "/",
      );
      for (const path of paths) expect((await sender.send({ ...push(), path })).status, path).toBe(404);
    }));

  it("two signatures, in one header or in two", () =>
    inVain(async () => {
      const delivery = push();
      const [right, wrong] = [hmac(secret, delivery.body), "0".repeat(64)];
      for (const pair of [
        [right, wrong],
        [wrong, right],
        [right, right],
      ]) {
        const two = pair.map((one): [string, string] => ["X-Gitea-Signature", one]);
        expect((await sender.send(withHeaders(delivery, drop, two))).status).toBe(401);
        const one = withHeaders(delivery, drop, [["X-Gitea-Signature", pair.join(",")]]);
        expect((await sender.send(one)).status).toBe(401);
      }
    }));

  it("other methods, other content, another length", () =>
    inVain(async () => {
      for (const method of ["GET", "PUT", "DELETE", "HEAD"])
        expect((await sender.send({ ...push(), method })).status).toBe(405);
      const form = withHeaders(
        push(),
        ["Content-Type"],
        [["Content-Type", "application/x-www-form-urlencoded"]],
      );
      expect((await sender.send(form)).status).toBe(401);
      const chunked = withHeaders(push(), [], [["Transfer-Encoding", "chunked"]]);
      expect([400, 413, 0]).toContain((await sender.send(chunked)).status);
    }));

  it("a clock that is wrong: neither the sender's nor the commit's is believed", async () => {
    const late = withHeaders(
      push({ commits: [{ timestamp: "2099-01-01T00:00:00Z" }] }),
      [],
      [["Date", "Thu, 01 Jan 1970 00:00:00 GMT"]],
    );
    expect((await sender.send(late)).status).toBe(200);
    await settled();
    await inVain(async () => expect((await sender.send(late)).status).toBe(409));
    process.env["GIT_COMMITTER_DATE"] = "2001-01-01T00:00:00Z";
    try {
      const commit = await pushed("From long ago");
      expect(bed.git("show", "--no-patch", "--format=%cs", commit)).toBe("2001-01-01");
      expect(await deployed()).toBe(commit);
    } finally {
      delete process.env["GIT_COMMITTER_DATE"];
    }
  });

  it("a burst of twenty pushes makes one run or two", PATIENT, async () => {
    const before = await runs("deploy-converge");
    const begun = await runs();
    change();
    const commit = bed.commit("The last of twenty");
    const burst = Array.from({ length: 20 }, () => sender.send(push()));
    bed.git("push", "--quiet", "origin", "main");
    for (const { status } of await Promise.all(burst)) expect(status).toBe(200);
    await until("the newest is deployed", 150, async () => (await deployed()) === commit);
    await settled();
    expect((await runs("deploy-converge")) - before).toBeLessThanOrEqual(2);
    expect((await runs()) - begun).toBeLessThanOrEqual(4);
  });

  it("a full disk: the delivery is not taken, and is when there is room again", async () => {
    const delivery = push();
    await control(
      `mount -t tmpfs -o size=64k,nr_inodes=4 small /var/lib/deploy-hook
       chown deploy-hook: /var/lib/deploy-hook && chmod 750 /var/lib/deploy-hook
       install -d -o deploy-hook -g deploy-hook -m 770 /var/lib/deploy-hook/queue
       touch /var/lib/deploy-hook/a /var/lib/deploy-hook/b`,
    );
    try {
      expect((await sender.send(delivery)).status).toBe(409);
      expect((await stories()).at(-1)).toContain("it may be sent again");
    } finally {
      await control("umount /var/lib/deploy-hook");
    }
    expect((await sender.send(delivery)).status).toBe(200);
    await settled();
  });

  it("a run that is killed in the middle is told of, and made good by hand", PATIENT, async () => {
    change();
    const commit = bed.commit("Killed");
    bed.git("push", "--quiet", "origin", "main");
    await until(
      "the engine runs",
      150,
      async () => (await exec(machines.helm, "pgrep -u deploy-converge -x pulumi")).code === 0,
    );
    await control("systemctl kill --signal=KILL deploy-converge.service");
    await until(
      "it is told",
      150,
      async () => (await stories()).at(-1)?.startsWith(commit.slice(0, 10)) ?? false,
    );
    await settled();
    expect(await statusOf(commit)).toMatchObject({
      status: "failure",
      description: expect.stringMatching(/was ended before it was done/) as string,
    });
    for (const house of NAMES)
      expect(await on(house, `systemctl is-active hermes-${house}`)).toBe("active\n");
    const byHand = await bed.fleet.run("converge");
    expect(byHand.code, byHand.stderr).toBe(0);
    expect(byHand.stderr).toContain(`${commit} passed: converged`);
    expect(await deployed()).toBe(commit);
  });

  it("a forge that answers nothing for a while: the merge is not lost", PATIENT, async () => {
    change();
    const commit = bed.commit("The forge sleeps");
    bed.git("push", "--quiet", "origin", "main");
    process.kill(bed.gitea.pid, "SIGSTOP");
    await sleep(4000);
    process.kill(bed.gitea.pid, "SIGCONT");
    await until("it is deployed", 150, async () => (await deployed()) === commit);
    await settled();
  });

  it("a stack that somebody else is at: the run waits and says who", PATIENT, async () => {
    const locks = "/var/lib/deploy-converge/state/.pulumi/locks/organization/wizard-houses/testbed";
    const lock = { pid: 7, username: "olga", hostname: "laptop", timestamp: new Date().toISOString() };
    await control(
      `mkdir -p ${locks} && echo '${JSON.stringify(lock)}' >${locks}/held.json && chown -R deploy-converge: ${locks}`,
    );
    change();
    const commit = bed.commit("While olga is at it");
    bed.git("push", "--quiet", "origin", "main");
    await until("it is told", 150, async () => (await stories()).at(-1)?.includes("olga@laptop") ?? false);
    await control(`rm ${locks}/held.json`);
    await until("it is deployed", 150, async () => (await deployed()) === commit);
    await settled();
  });

  it("a former secret that was taken back", async () => {
    expect((await sender.send(push({}, SECRET))).status).toBe(200);
    await settled();
    const removed = await bed.fleet.run("pulumi", ["config", "rm", "deployHookFormerSecret"]);
    expect(removed.code, removed.stderr).toBe(0);
    await pushed("The former secret goes");
    await inVain(async () => expect((await sender.send(push({}, SECRET))).status).toBe(401));
    expect((await sender.send(push())).status).toBe(200);
  });

  it("no secret: it is an error before anything is looked at", () =>
    inVain(async () => {
      const text = bed.git("show", "HEAD:Pulumi.testbed.yaml");
      await bed.fleet.run("pulumi", ["config", "rm", "deployHookSecret"]);
      const preview = await bed.fleet.run("preview");
      expect(preview.code).toBe(1);
      expect(preview.stdout + preview.stderr).toContain("deployHookSecret is not set");
      writeFileSync(`${bed.fleet.work.dir}/Pulumi.testbed.yaml`, `${text}\n`);
    }));

  it("hooks that cannot be loaded stop the unit", async () => {
    const state = () => control("systemctl is-active webhook || :");
    await control(
      `cp ${CREDENTIAL} /root/hooks && echo nonsense >${CREDENTIAL} && systemctl restart webhook || :`,
    );
    await until("it gives up", 60, async () => (await state()) === "failed\n");
    expect((await sender.get("/health")).status).toBe(502);
    await control(
      `cp /root/hooks ${CREDENTIAL} && systemctl reset-failed webhook && systemctl restart webhook`,
    );
    await until("it serves", 30, serves);
  });
});

describe("GitHub's deliveries, in their documented shape", () => {
  // https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
  const documented = {
    secret: "It's a Secret to Everybody",
    payload: "Hello, World!",
    signature: "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
  };
  const send = async (body: string, headers: Record<string, string>): Promise<string> => {
    const options = Object.entries(headers).map(([name, value]) => `-H '${name}: ${value}'`);
    const url = "http://127.0.0.1:9001/hooks/deploy-timmy-config";
    return control(
      `curl -s -w ' %{http_code}' ${options.join(" ")} --data-binary @- ${url} <<'END' | tr '\\n' ' '\n${body}\nEND`,
    );
  };
  /** GitHub signs the body as it is; what comes out of the here-document has a line feed at its end. */
  const event = (name: string, body: string): Record<string, string> => ({
    "Content-Type": "application/json",
    "User-Agent": "GitHub-Hookshot/044aadd",
    "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    "X-GitHub-Event": name,
    "X-Hub-Signature": `sha1=${"0".repeat(40)}`,
    "X-Hub-Signature-256": `sha256=${hmac(documented.secret, `${body}\n`)}`,
  });

  beforeAll(async () => {
    const hooks = hooksFile("github", "/usr/local/lib/wizard-deploy/accept.sh", [documented.secret]);
    await control(
      `mkdir -p /run/github/queue && cat >/run/github/hooks.json <<'END'\n${hooks}END\n` +
        "systemd-run --quiet --unit=github-hook -E STATE_DIRECTORY=/run/github -E FORGE_REPOSITORY=Codertocat/Hello-World " +
        "-E FORGE_BRANCH=main webhook -hooks /run/github/hooks.json -ip 127.0.0.1 -port 9001 -urlprefix hooks; " +
        "for i in $(seq 150); do curl -s -o /dev/null http://127.0.0.1:9001/ && break; sleep 0.2; done",
    );
  });
  afterAll(() => control("systemctl stop github-hook; rm -r /run/github"));

  it("are signed as the documentation's example is", () =>
    expect(hmac(documented.secret, documented.payload)).toBe(documented.signature));

  it("are taken, once; a ping is answered; others are not", async () => {
    const zen = JSON.stringify({
      zen: "Keep it logically awesome.",
      hook_id: 1,
      repository: { full_name: "x/y" },
    });
    expect(await send(zen, event("ping", zen))).toBe("pong  200");
    const body = pushBody("Codertocat/Hello-World", { created: false, deleted: false, forced: false });
    expect(await send(body, event("push", body))).toBe("taken: a push to main  200");
    expect(await control("ls /run/github/queue")).toBe("push\n");
    expect(await send(body, event("push", body))).toMatch(/ 500$/);
    expect(await send(`${body} `, event("push", body))).toMatch(/ 401$/);
    // Gitea's header is none of GitHub's.
    const { "X-Hub-Signature-256": signature = "", ...rest } = event("push", `${body} `);
    expect(await send(`${body} `, { ...rest, "X-Gitea-Signature": signature.slice(7) })).toMatch(/ 401$/);
  });
});

describe("the attacks' own check", () => {
  it("notices a hook that asks for no signature", async () => {
    await askForNoSignature();
    await settled();
    const forged = withHeaders(push(), ["X-Gitea-Signature"], [["X-Gitea-Signature", "0".repeat(64)]]);
    await expect(inVain(async () => expect((await sender.send(forged)).status).toBe(401))).rejects.toThrow();
    const other = withHeaders(push(), ["X-Gitea-Signature"], [["X-Gitea-Signature", "1".repeat(64)]]);
    await expect(inVain(async () => void (await sender.send(other)), 5000)).rejects.toThrow(
      /runs that it began/,
    );
    await control(`cp /root/hooks ${CREDENTIAL} && systemctl restart webhook`);
  });
});

describe("afterwards", () => {
  it("nothing secret is in the journal, in an environment or in a command line", async () => {
    const text = await control(
      "journalctl --no-pager -o cat; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; cat /proc/[0-9]*/environ | tr '\\0' ' '; find /run/deploy-* -type f -exec cat {} +",
    );
    for (const hidden of [
      SECRET,
      secret,
      bed.deployer.token,
      bed.operator.token,
      bed.fleet.environment["PULUMI_CONFIG_PASSPHRASE"]!,
    ])
      expect(text).not.toContain(hidden);
  });

  it("every unit of it is hardened", async () => {
    for (const unit of [
      "webhook",
      "caddy",
      "deploy-fetch",
      "deploy-build",
      "deploy-converge",
      "deploy-report",
    ]) {
      const rating = await control(`systemd-analyze security ${unit}.service --no-pager | tail -n 1`);
      expect(Number(/(\d+\.\d)/.exec(rating)?.[1]), `${unit}: ${rating}`).toBeLessThan(3);
    }
  });
});
