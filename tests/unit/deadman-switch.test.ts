/** The script itself, on a house in a temporary folder. */
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { fakeHouse, type FakeHouse, IS_ROOT, MAIN_PID, RESTART, silentHouse } from "./deadman-house.ts";

const linuxOnly = process.platform === "linux" ? describe : describe.skip;

linuxOnly("signs of life", () => {
  test("a heartbeat that changes: nothing is done", () => {
    const house = fakeHouse({ GRACE: "5" });
    house.beat("12:00");
    house.run();
    house.silentFor(6);
    house.beat("12:01");
    const before = house.tree();
    expect(house.run().status).toBe(0);
    expect(house.tree()).toEqual(before);
    expect(house.calls()).toEqual([]);
  });

  test("silence shorter than the grace: nothing is done", () => {
    const house = fakeHouse();
    house.beat("12:00");
    house.run();
    house.silentFor(200);
    expect(house.run().status).toBe(0);
    expect(house.calls()).toEqual([]);
  });

  test("a house that is looked at for the first time has a full grace, heartbeat or not", () => {
    const house = fakeHouse({ GRACE: "5" });
    expect(house.run().status).toBe(0);
    expect(house.calls()).toEqual([]);
  });

  test("a heartbeat dated in the future is worth no more than any other", () => {
    const house = fakeHouse({ GRACE: "5" });
    house.beat("2999-01-01T00:00:00Z");
    house.run();
    house.silentFor(6);
    house.run();
    expect(house.calls()).toContain(RESTART);
  });

  test("a heartbeat of another process does not count", () => {
    const house = silentHouse();
    house.beat("12:01", MAIN_PID + 1);
    house.run();
    expect(house.calls()).toContain(RESTART);
  });

  test("without a heartbeat, the scheduler's tick counts", () => {
    const house = fakeHouse({ GRACE: "5" });
    house.write("house/home/cron/ticker_last_success", "1000.0");
    house.run();
    house.silentFor(6);
    house.write("house/home/cron/ticker_last_success", "1060.0");
    house.run();
    expect(house.calls()).toEqual([]);
    house.silentFor(6);
    house.run();
    expect(house.calls()).toContain(RESTART);
  });

  test("without either, the health endpoint counts", () => {
    const house = fakeHouse({ GRACE: "5", HEALTH_URL: "http://127.0.0.1:8643/health" });
    house.run();
    house.silentFor(6);
    house.run();
    expect(house.calls()).toEqual([]);
    house.write("curl-status", "22");
    house.silentFor(6);
    house.run();
    expect(house.calls()).toContain(RESTART);
  });

  test("a reboot starts the count again", () => {
    const house = silentHouse();
    house.write("state/alive", "another-boot 17\n");
    house.run();
    expect(house.calls()).toEqual([]);
  });

  test("a unit that root has stopped is left alone; one that failed is not", () => {
    const house = silentHouse();
    house.write("unit", "ActiveState=inactive\nMainPID=0\n");
    house.run();
    expect(house.calls()).toEqual([]);
    house.write("unit", "ActiveState=failed\nMainPID=0\n");
    house.silentFor(6);
    house.run();
    expect(house.calls()).toContain(RESTART);
  });

  test("a unit that does not start because its home cannot be made ready is started again", () => {
    const house = silentHouse();
    house.write("unit", "ActiveState=inactive\nMainPID=0\n");
    house.write("home-unit", "ActiveState=failed\n");
    house.run();
    expect(house.calls()).toContain(RESTART);
  });

  test("systemctl that cannot answer is an error and no reason to act", () => {
    const house = silentHouse();
    house.write("unit", "");
    expect(house.run().status).toBe(1);
    expect(house.calls()).toEqual([]);
    expect(house.read("log")).toContain("deadman-bezalel daemon.err systemctl cannot say how");
  });
});

linuxOnly("the agent's files are not trusted", () => {
  test("a heartbeat that is a link is not read, wherever it points", () => {
    const house = silentHouse();
    rmSync(house.at("house/home/state/gateway.heartbeat"));
    house.write("elsewhere", JSON.stringify({ pid: MAIN_PID, updated_at: "12:01" }));
    symlinkSync(house.at("elsewhere"), house.at("house/home/state/gateway.heartbeat"));
    house.run();
    expect(house.calls()).toContain(RESTART);
  });

  test("a FIFO does not hold the switch up", () => {
    const house = silentHouse();
    rmSync(house.at("house/home/state/gateway.heartbeat"));
    execFileSync("mkfifo", [house.at("house/home/state/gateway.heartbeat")]);
    const began = Date.now();
    house.run();
    expect(Date.now() - began).toBeLessThan(5000);
    expect(house.calls()).toContain(RESTART);
  });

  test.runIf(IS_ROOT)("a file that only root may read is not read", () => {
    const house = silentHouse();
    house.beat("12:01");
    chmodSync(house.at("house/home/state/gateway.heartbeat"), 0o600);
    house.run();
    expect(house.calls()).toContain(RESTART);
  });

  test("a heartbeat of many megabytes is cut, not swallowed", () => {
    const house = silentHouse();
    house.write(
      "house/home/state/gateway.heartbeat",
      "x".repeat(20_000_000) + JSON.stringify({ pid: MAIN_PID }),
    );
    house.run();
    expect(house.calls()).toContain(RESTART);
  });

  test("shell in a heartbeat stays text", () => {
    const house = silentHouse();
    house.write(
      "house/home/state/gateway.heartbeat",
      `{"pid": "$(touch ${house.at("owned")})\`touch ${house.at("owned")}\`"}`,
    );
    house.run();
    expect(existsSync(house.at("owned"))).toBe(false);
  });

  test("what root remembers is readable by root only, and so is the lock", () => {
    const house = silentHouse();
    house.run();
    for (const path of ["house/.lock", "state/alive", "state/attempts", "house/rejected"]) {
      expect([path, (lstatSync(house.at(path)).mode & 0o777).toString(8)]).toEqual([path, "600"]);
    }
  });
});

linuxOnly("silence longer than the grace", () => {
  test("goes back to the known good release, rejects the other, restarts", () => {
    const house = silentHouse();
    expect(house.run().status).toBe(0);
    expect(house.current()).toBe("releases/old");
    expect(house.calls()).toEqual(["systemctl daemon-reload", RESTART]);
    expect(house.read("house/rejected")).toMatch(
      /^new\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\tdeadman: no sign of life for \d+ s, unit is active\n$/,
    );
    expect(house.attempts()).toBe(1);
    expect(readdirSync(house.at("house")).filter((name) => name.startsWith(".current"))).toEqual([]);
  });

  test("on the known good release already: only restarts", () => {
    const house = silentHouse();
    rmSync(house.at("house/current"));
    symlinkSync("releases/old", house.at("house/current"));
    house.run();
    expect(house.calls()).toEqual([RESTART]);
    expect(house.read("house/rejected")).toBe("");
  });

  test("without a known good release: only restarts", () => {
    const house = silentHouse();
    rmSync(house.at("house/known-good"));
    house.run();
    expect(house.current()).toBe("releases/new");
    expect(house.calls()).toEqual([RESTART]);
  });

  test.each(["../../etc", "releases/../../etc", "releases/gone", "releases/old/x", "/etc"])(
    "a known-good that points at %s is no release",
    (target) => {
      const house = silentHouse();
      rmSync(house.at("house/known-good"));
      symlinkSync(target, house.at("house/known-good"));
      house.run();
      expect(house.current()).toBe("releases/new");
      expect(house.calls()).toEqual([RESTART]);
    },
  );

  test("a current that points at nothing is mended", () => {
    const house = silentHouse();
    rmSync(house.at("house/releases/new"), { recursive: true });
    house.run();
    expect(house.current()).toBe("releases/old");
    expect(house.read("house/rejected")).toBe("");
  });

  test("a house that never had a release is none of its business", () => {
    const house = silentHouse();
    rmSync(house.at("house/current"));
    expect(house.run().status).toBe(0);
    expect(house.calls()).toEqual([]);
  });

  describe("one that waits for its confirmation", () => {
    const thisBoot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const pending = (until: string, boot = thisBoot): FakeHouse => {
      const house = silentHouse();
      house.write("house/pending/until", until === "" ? "\n" : `${until} ${boot}\n`);
      house.write("house/pending/revert.sh", `echo "$1" >${house.at("reverted")}\n`);
      return house;
    };
    const uptime = Math.floor(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]));

    test("is left to the host's timer, silent or not", () => {
      const house = pending(String(uptime + 100));
      expect(house.run()).toEqual({ status: 0, stderr: "" });
      expect([house.calls(), house.read("reverted")]).toEqual([[], ""]);
    });

    test.each([String(uptime - 100), "", "soon"])("is reverted where that is lost (until: %j)", (until) => {
      const house = pending(until);
      expect(house.run()).toEqual({ status: 0, stderr: "" });
      expect([house.calls(), house.read("reverted")]).toEqual([[], "timer\n"]);
      expect(house.read("log")).toContain("neither confirmed nor reverted");
    });

    test("is reverted where it was to be by a timer of an earlier boot, however long that one lasted", () => {
      const house = pending(String(uptime + 100), "11111111-2222-3333-4444-555555555555");
      house.run();
      expect(house.read("reverted")).toBe("timer\n");
    });

    test("is only told of in a dry run", () => {
      const house = pending("0");
      expect(house.run("--dry-run")).toEqual({ status: 0, stderr: "" });
      expect(house.read("reverted")).toBe("");
    });
  });

  test("never goes back to a release that was revoked", () => {
    const house = silentHouse();
    house.write("house/revoked", "old\t2026-01-01T00:00:00Z\tby hand\n");
    house.run();
    expect(house.current()).toBe("releases/new");
    expect(house.calls()).toEqual([RESTART]);
  });

  test("a release is rejected once, however often it happens", () => {
    const house = silentHouse();
    house.write("house/rejected", "new\t2026-01-01T00:00:00Z\tearlier\n");
    house.run();
    expect(house.read("house/rejected")).toBe("new\t2026-01-01T00:00:00Z\tearlier\n");
    expect(house.current()).toBe("releases/old");
  });

  test("crontabs of the release it goes back to get a new modification time, or cron would miss the change", () => {
    const house = silentHouse();
    const crontab = house.at("house/releases/old/cron/wizard-bezalel");
    execFileSync("touch", ["-d", "2001-01-01", crontab]);
    house.run();
    expect(lstatSync(crontab).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
  });

  test("the restart has a grace of its own", () => {
    const house = silentHouse();
    house.run();
    house.run();
    expect(house.calls().filter((call) => call === RESTART)).toHaveLength(1);
  });

  test("a restart that fails is an error, and counted", () => {
    const house = silentHouse();
    house.write(
      "bin/systemctl",
      readFileSync(house.at("bin/systemctl"), "utf8").replaceAll("restart --no-block", "x"),
      0o755,
    );
    expect(house.run().status).toBe(1);
    expect(house.attempts()).toBe(1);
  });
});

linuxOnly("retries are bounded", () => {
  const exhaust = (house: FakeHouse, times: number) => {
    for (let time = 0; time < times; time++) {
      house.run();
      house.silentFor(6);
    }
  };

  test("after maxRetries it sets deadman_active with reason and time, and stays away", () => {
    const house = silentHouse();
    exhaust(house, 3);
    expect(existsSync(house.at("state/deadman_active"))).toBe(false);
    house.run();
    expect(house.read("state/deadman_active")).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\tno sign of life for \d+ s, unit is active; 3 restarts within 3600 s did not help\n$/,
    );
    const calls = house.calls();
    const tree = house.tree();
    expect(calls.filter((call) => call === RESTART)).toHaveLength(3);
    house.run();
    expect(house.calls()).toEqual(calls);
    expect(house.tree()).toEqual(tree);
  });

  test("once a human has removed the flag, it starts afresh", () => {
    const house = silentHouse();
    exhaust(house, 3);
    house.run();
    rmSync(house.at("state/deadman_active"));
    house.run();
    expect(existsSync(house.at("state/deadman_active"))).toBe(false);
    house.silentFor(6);
    house.run();
    expect(house.attempts()).toBe(1);
  });

  test("attempts older than the window do not count", () => {
    const house = silentHouse();
    const old = Math.floor(Date.now() / 1000) - 3601;
    house.write("state/attempts", `${old}\n${old}\n${old}\n`);
    house.run();
    expect(house.calls()).toContain(RESTART);
    expect(house.attempts()).toBe(1);
  });

  test("attempts dated in the future count from now, as after a clock that was set back", () => {
    const house = silentHouse();
    const future = Math.floor(Date.now() / 1000) + 86_400;
    house.write("state/attempts", `${future}\n${future}\n`);
    house.run();
    const epochs = house.read("state/attempts").trim().split("\n").map(Number);
    expect(epochs).toHaveLength(3);
    for (const epoch of epochs) expect(epoch).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000));
  });

  test("damaged counters count as attempts", () => {
    const house = silentHouse();
    house.write("state/attempts", "garbage\n$(id)\n-1\n");
    house.run();
    expect(existsSync(house.at("state/deadman_active"))).toBe(true);
  });
});

linuxOnly("dry run", () => {
  test.each([
    ["as a setting", { DRY_RUN: "yes" }, []],
    ["as a flag", {}, ["--dry-run"]],
  ] as const)("%s: says what it would do and changes nothing", (_, settings, flags) => {
    const house = silentHouse(settings);
    const before = house.tree();
    expect(house.run(...flags).status).toBe(0);
    expect(house.tree()).toEqual(before);
    expect(house.calls()).toEqual([]);
    expect(house.attempts()).toBe(0);
    expect(house.read("log")).toContain("dry run: no sign of life");
    expect(house.read("log")).toContain(
      "would go back from release new to old and restart hermes-bezalel.service",
    );
  });

  test("does not give up either", () => {
    const house = silentHouse({ DRY_RUN: "yes", MAX_RETRIES: "0" });
    house.run();
    expect(existsSync(house.at("state/deadman_active"))).toBe(false);
    expect(house.read("log")).toContain("would set deadman_active");
  });
});

linuxOnly("one at a time", () => {
  test("does nothing while an update or another copy holds the house's lock", async () => {
    const house = silentHouse();
    const holder = spawn("flock", [house.at("house/.lock"), "sh", "-c", "echo held; cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    const before = house.tree();
    expect(house.run().status).toBe(0);
    expect(house.calls()).toEqual([]);
    expect(house.tree()).toEqual(before);
    const ended = new Promise((resolve) => holder.once("exit", resolve));
    holder.stdin.end();
    await ended;
    house.run();
    expect(house.calls()).toContain(RESTART);
  });

  test("copies started together act once", async () => {
    const house = silentHouse();
    const copies = [house.start(), house.start(), house.start()];
    await Promise.all(copies.map((copy) => new Promise((resolve) => copy.once("exit", resolve))));
    expect(house.calls().filter((call) => call === RESTART)).toHaveLength(1);
    expect(house.attempts()).toBe(1);
  });
});

linuxOnly("alerts", () => {
  const URL_WITH_TOKEN = "https://alerts.example/hook?token=t0ken";

  test("go to the journal and the webhook; the URL is not in argv", () => {
    const house = silentHouse({ WEBHOOK_URL: URL_WITH_TOKEN });
    house.run();
    expect(house.read("log")).toContain("deadman-bezalel daemon.alert restart: no sign of life");
    const [config, argv] = house.read("curl-calls").trim().split("\nargv = ");
    expect(config).toBe(`url = "${URL_WITH_TOKEN}"`);
    expect(argv).not.toContain("t0ken");
    const body: unknown = JSON.parse(argv?.split("--data ")[1] ?? "");
    expect(body).toMatchObject({ house: "bezalel", event: "restart" });
    expect(existsSync(house.at("state/alert"))).toBe(false);
  });

  test("one that could not be delivered is tried again, also after giving up", () => {
    const house = silentHouse({ WEBHOOK_URL: URL_WITH_TOKEN, MAX_RETRIES: "0" });
    house.write("curl-status", "7");
    house.run();
    expect(existsSync(house.at("state/deadman_active"))).toBe(true);
    expect(JSON.parse(house.read("state/alert"))).toMatchObject({ event: "deadman_active" });
    house.write("curl-status", "0");
    expect(house.run().status).toBe(0);
    expect(existsSync(house.at("state/alert"))).toBe(false);
    expect(house.read("curl-calls").match(/deadman_active/g)).toHaveLength(2);
  });

  test("the outside monitor is pinged while all is well, and only then", () => {
    const house = fakeHouse({ PING_URL: "https://ping.example/b", GRACE: "5" });
    house.run();
    expect(house.read("curl-calls")).toContain("https://ping.example/b");
    house.write("curl-calls", "");
    house.silentFor(6);
    house.run();
    expect(house.read("curl-calls")).toBe("");
  });
});

linuxOnly("settings", () => {
  test.each([
    ["GRACE", "soon"],
    ["MAX_RETRIES", ""],
    ["WINDOW", "1e9"],
    ["NAME", "Bezalel; rm"],
    ["UNIT", "ssh.socket"],
    ["HOUSE", "relative/path"],
    ["DRY_RUN", "perhaps"],
    ["HEALTH_URL", 'https://x/"'],
    ["FORGE_API", "https://forge.example/api/v1/repos/fleet/houses"],
    ["SECRETS", "/nowhere/secrets.conf"],
    ["SURPRISE", "1"],
  ])("%s=%s is refused", (key, value) => {
    const house = silentHouse();
    house.write(
      "deadman.conf",
      house.read("deadman.conf").replace(new RegExp(`^${key}=.*\n`, "m"), "") + `${key}=${value}\n`,
    );
    expect(house.run().status).toBe(2);
    expect(house.calls()).toEqual([]);
  });

  test.each([
    ["WEBHOOK_URL", 'https://x/"t0ken'],
    ["PING_URL", "https://x/\\t0ken"],
    ["FORGE_TOKEN", "t0ken"],
    ["t0ken", "t0ken"],
  ])("the secret %s=%s is refused and not repeated", (key, value) => {
    const house = silentHouse();
    house.write("secrets.conf", `${key}=${value}\n`);
    const { status, stderr } = house.run();
    expect(status).toBe(2);
    expect(house.read("log") + stderr).toMatch(/WEBHOOK_URL|a URL in|FORGE_TOKEN/);
    expect(house.read("log") + stderr).not.toContain("t0ken");
    expect(house.calls()).toEqual([]);
  });

  test("they are read as data", () => {
    const house = silentHouse();
    house.write("secrets.conf", `PING_URL=$(touch ${house.at("owned")})\n`);
    house.run();
    expect(existsSync(house.at("owned"))).toBe(false);
  });
});
