/** Cron entries that would run what the agent can change, outside the sandbox of its gateway. */
import { expect, test } from "vitest";

import { reachProblems } from "../../fleet/reach.ts";

const HOME = "/srv/wizards/ezra/home";
const reach = { user: "wizard-ezra", folders: [HOME, "/srv/builds"] };

const problems = (command: string[], user = "wizard-ezra") =>
  reachProblems({ name: "x", schedule: "* * * * *", user, command }, reach);

test.each<[string, string[]]>([
  ["data in the home", ["/usr/bin/find", `${HOME}/logs`, "-name", "*.log.*", "-mtime", "+60", "-delete"]],
  ["data in a folder of the sandbox", ["/bin/rm", "-rf", "/srv/builds/old"]],
  ["an archive of the home", ["/usr/bin/tar", "-czf", "/srv/backup/ezra.tgz", HOME]],
  ["a mirror of the home", ["/usr/bin/rsync", "-a", HOME, "/srv/backup/"]],
  ["a script of root's on the home", ["/bin/sh", "-eu", "/usr/local/sbin/tidy.sh", HOME]],
  ["a script in Python, isolated", ["/usr/bin/python3", "-I", "-S", "/usr/local/sbin/tidy.py", HOME]],
  ["a program of the operator's own", ["/usr/local/bin/fleet-backup", "--from", HOME]],
  ["a program of Debian that has nothing to do with the home", ["/usr/bin/fc-cache", "-f"]],
  ["a folder whose name only begins alike", ["/usr/bin/fc-cache", `${HOME}work`]],
  ["the release's own scripts", ["/bin/sh", "/srv/wizards/ezra/current/scheduled/run.sh", "ezra"]],
])("%s is fine", (_what, command) => {
  expect(problems(command)).toEqual([]);
});

test.each<[string, string[], number]>([
  ["a program in the home", [`${HOME}/bin/tool`], 0],
  ["in a roundabout way", ["/srv/wizards/ezra/current/../home/tool"], 0],
  ["a program in a folder of the sandbox", ["/srv/builds/out/tool"], 0],
  ["a script in the home", ["/bin/sh", `${HOME}/run.sh`], 1],
  ["a script behind options", ["/bin/bash", "-eu", `${HOME}//run.sh`], 2],
  ["a script in a folder of the sandbox", ["/usr/bin/python3", "-I", "/srv/builds/x.py"], 2],
  ["a script by a relative path: cron begins in the home", ["/bin/sh", "run.sh"], 1],
  ["Python without -I, which reads .local/lib", ["/usr/bin/python3", "/usr/local/sbin/tidy.py"], 0],
  ["a module of Python", ["/usr/bin/python3", "-I", "-m", "pip"], 2],
  ["text for a shell", ["/bin/sh", "-c", "ls"], 1],
  ["text in a bundle of options", ["/bin/bash", "-euc", "ls"], 1],
  ["a login shell, which reads .profile", ["/bin/bash", "-l", "/usr/local/sbin/x.sh"], 1],
  ["a shell without a script", ["/bin/dash"], 0],
  ["find that runs something", ["/usr/bin/find", HOME, "-type", "f", "-exec", "{}", ";"], 4],
  ["tar that runs something", ["/usr/bin/tar", "-cf", "x.tar", "--checkpoint-action=exec=sh x", HOME], 3],
  ["tar by a shortened option", ["/usr/bin/tar", "--to-com=sh", "-xf", "x.tar"], 1],
  ["tar with a bundle of options", ["/usr/bin/tar", "cIf", "sh", "x"], 1],
  ["rsync over a shell of choice", ["/usr/bin/rsync", "-ae", "sh x", HOME, "y:"], 1],
  ["a launcher", ["/usr/bin/env", `${HOME}/tool`], 0],
  ["a launcher of what is fine alone", ["/usr/bin/timeout", "5", "/bin/ls"], 0],
  ["a program that takes orders from HOME", ["/usr/bin/git", "-C", "/srv/repo", "pull"], 0],
  ["an interpreter that looks into HOME", ["/usr/bin/node", "/usr/local/sbin/x.js"], 0],
  ["a program of Debian that may run what it is given", ["/usr/bin/m4", `${HOME}/x.m4`], 1],
  ["behind an option's =", ["/usr/bin/m4", `--include=${HOME}`], 1],
])("%s is refused", (_what, command, index) => {
  expect(problems(command)).toEqual([
    {
      path: ["command", index],
      message: expect.stringMatching(/\w/) as string,
      got: command[index],
      allowed: expect.stringContaining("a script that root owns") as string,
    },
  ]);
});

test("another account has no business in the agent's home, whatever it does there", () => {
  expect(problems(["/usr/bin/find", HOME, "-delete"], "root")).toEqual([
    {
      path: ["command", 1],
      message: "is the agent's to change, and nothing there is done as root",
      got: HOME,
      allowed: "user: wizard-ezra, which is the default",
    },
  ]);
  expect(problems([`${HOME}/tool`], "root")).toHaveLength(1);
  expect(problems(["/usr/bin/git", "pull"], "root")).toEqual([]);
});
