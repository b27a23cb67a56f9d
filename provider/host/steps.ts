/**
 * Changes on a host as data, and the shell script that carries them out.
 *
 * A plan is a list of steps. The script gets them in order under one lock, with file contents on standard input,
 * never in its text, an argument or the environment. Before the first step behind the `commit` mark it waits for a
 * word from this process, so that a plan whose sender has died leaves nothing switched.
 */
import { shellQuote } from "../../fleet/shell.ts";
import type { Vantage } from "./facts.ts";

/** An absolute path on the host. */
type HostPath = string;

export type Step =
  /** A folder with exactly this mode and owner; made if absent. */
  | { do: "folder"; path: HostPath; mode: string; owner: string; group: string }
  /** A folder of the system's that may be missing; one that is there is left as it is. */
  | { do: "ensure-folder"; path: HostPath }
  /** A whole file, atomically: never half written, never readable by more than its mode says. */
  | { do: "file"; path: HostPath; mode: string; owner: string; group: string; content: string }
  /** Mode and owner of a file whose contents are right. */
  | { do: "attributes"; path: HostPath; mode: string; owner: string; group: string }
  /** A symbolic link, atomically; what stands there must be a link or nothing. */
  | { do: "link"; path: HostPath; target: string }
  /** One rename of a file or folder, within a file system. The target must not exist. */
  | { do: "rename"; path: HostPath; to: HostPath }
  /** Moves whatever is at `path` out of the way, to a name in `keep` that nobody uses, so that nothing is lost. */
  | { do: "displace"; path: HostPath; keep: HostPath; name: string }
  /** Moves back what was displaced first, if anything was. */
  | { do: "restore"; path: HostPath; keep: HostPath; name: string }
  /** A file or link; nothing there is fine. */
  | { do: "remove"; path: HostPath }
  /** A folder of ours with all it holds. */
  | { do: "remove-tree"; path: HostPath }
  /** A folder, only if empty. */
  | { do: "remove-if-empty"; path: HostPath }
  /** The named files, and the folder with them, if it holds nothing else. */
  | { do: "remove-if-last"; folder: HostPath; names: string[] }
  /** Sets the time of change to now. */
  | { do: "touch"; path: HostPath }
  /** A system account with its group. */
  | { do: "add-account"; name: string; home: string; shell: string; comment: string; groups: string[] }
  | { do: "change-account"; name: string; home: string; shell: string; groups: string[] }
  | { do: "remove-account"; name: string }
  /** Everything before is preparation that changes nothing an agent can see; everything after is the switch. */
  | { do: "commit" };

export interface Plan {
  /** File that is locked while the plan is carried out; its folder is made if absent. */
  lock: HostPath;
  steps: Step[];
}

export interface Script {
  text: string;
  /** What follows the script on standard input: the contents of all files, one after another. */
  payload: Buffer;
  /** Whether the script stops at a `commit` and waits. */
  commits: boolean;
}

/** What the script prints where it waits, and what it waits for. */
export const READY = "ready to commit";
export const GO = "go";
/** The script's last line when every step succeeded. */
export const DONE = "done";
/** Exit code of a script that could not get the lock. */
export const LOCKED = 73;

const LIBRARY = `
set -euf
LC_ALL=C; export LC_ALL
umask 077
owners=@OWNERS@

own() { if [ "$owners" = yes ]; then chown -h -- "$2" "$1"; fi; }
beside() { mktemp -u -- "\${1%/*}/.\${1##*/}.XXXXXXXX"; }
folder() {
  if [ ! -d "$1" ] || [ -L "$1" ]; then mkdir -- "$1"; fi
  own "$1" "$3"; chmod -- "$2" "$1"
}
file() {
  t=$(mktemp -- "\${1%/*}/.\${1##*/}.XXXXXXXX")
  own "$t" "$3"; chmod -- "$2" "$t"
  head -c "$4" >"$t"
  if [ "$(stat -c %s -- "$t")" != "$4" ]; then rm -f -- "$t"; echo "the contents of $1 were cut off on the way" >&2; exit 74; fi
  sync -d -- "$t"
  mv -fT -- "$t" "$1"
}
attributes() { own "$1" "$3"; chmod -- "$2" "$1"; }
link() {
  t=$(beside "$1"); ln -s -- "$2" "$t"
  if ! mv -fT -- "$t" "$1"; then rm -f -- "$t"; return 1; fi
}
displace() {
  if [ ! -d "$2" ]; then mkdir -p -- "$2"; fi
  k=$2/$3 n=1
  while [ -e "$k" ] || [ -L "$k" ]; do k=$2/$3.$n n=$((n + 1)); done
  mv -T -- "$1" "$k"
}
restore() {
  if [ -e "$2/$3" ] || [ -L "$2/$3" ]; then
    if [ ! -e "$1" ] && [ ! -L "$1" ]; then mv -T -- "$2/$3" "$1"; fi
  fi
}
remove_if_empty() { if [ -d "$1" ] && [ ! -L "$1" ]; then rmdir --ignore-fail-on-non-empty -- "$1"; fi; }
remove_if_last() {
  d=$1; shift
  left=$(set +f; for e in "$d"/* "$d"/.[!.]*; do if [ -e "$e" ] || [ -L "$e" ]; then
    known=no; for k do if [ "$e" = "$d/$k" ]; then known=yes; fi; done
    if [ "$known" = no ]; then echo left; fi; fi; done)
  if [ -z "$left" ]; then for k do rm -f -- "$d/$k"; done; rmdir -- "$d"; fi
}
commit() {
  echo "@READY@"
  read -r word || { echo "stopped before the switch: the sender is gone" >&2; exit 75; }
  [ "$word" = @GO@ ] || { echo "stopped before the switch" >&2; exit 75; }
}
`;

// On a real host the system's own tools do it. In a folder that stands for a host they cannot (they need root, or
// change this machine), so the entries are written as they would write them.
const ACCOUNTS_LIVE = `
add_account() {
  getent group "$1" >/dev/null || groupadd --system -- "$1"
  useradd --system --gid "$1" --home-dir "$2" --no-create-home --shell "$3" --comment "$4" \${5:+--groups "$5"} -- "$1"
}
change_account() { usermod --home "$2" --shell "$3" --groups "$4" -- "$1"; }
remove_account() { userdel -- "$1"; if getent group "$1" >/dev/null; then groupdel -- "$1"; fi; }
`;
const ACCOUNTS_FOLDER = `
without() { if [ -f "$1" ]; then while IFS= read -r l || [ -n "$l" ]; do case $l in "$2":*) ;; *) printf '%s\\n' "$l" ;; esac; done <"$1"; fi; }
taken() { for f in "$etc/passwd" "$etc/group"; do if [ -f "$f" ] && grep -q "^[^:]*:[^:]*:$1:" "$f"; then return 0; fi; done; return 1; }
rewrite() { cat >"$1.new"; chmod 0644 -- "$1.new"; mv -fT -- "$1.new" "$1"; }
add_account() {
  mkdir -p -- "$etc"
  u=999; while taken "$u"; do u=$((u - 1)); [ "$u" -ge 100 ] || { echo "no free system account number" >&2; exit 1; }; done
  { without "$etc/group" "$1"; printf '%s:x:%s:\\n' "$1" "$u"; } | rewrite "$etc/group"
  { without "$etc/passwd" "$1"; printf '%s:x:%s:%s:%s:%s:%s\\n' "$1" "$u" "$u" "$4" "$2" "$3"; } | rewrite "$etc/passwd"
}
change_account() {
  o=$(grep "^$1:" "$etc/passwd"); IFS=: read -r _ _ u g c _ _ <<E
$o
E
  { without "$etc/passwd" "$1"; printf '%s:x:%s:%s:%s:%s:%s\\n' "$1" "$u" "$g" "$c" "$2" "$3"; } | rewrite "$etc/passwd"
}
remove_account() {
  without "$etc/passwd" "$1" | rewrite "$etc/passwd"
  without "$etc/group" "$1" | rewrite "$etc/group"
}
`;

/** The script of a plan. Every value in it goes through one quoting function. */
export function planScript(plan: Plan, vantage: Vantage): Script {
  const real = (path: HostPath): string => shellQuote(vantage.prefix + path);
  const owner = (step: { owner: string; group: string }): string => shellQuote(`${step.owner}:${step.group}`);
  const contents: Buffer[] = [];
  const line = (step: Step): string => {
    switch (step.do) {
      case "folder":
      case "attributes":
        return `${step.do} ${real(step.path)} ${shellQuote(step.mode)} ${owner(step)}`;
      case "file": {
        const content = Buffer.from(step.content, "utf8");
        contents.push(content);
        return `file ${real(step.path)} ${shellQuote(step.mode)} ${owner(step)} ${content.length}`;
      }
      case "link":
        return `link ${real(step.path)} ${shellQuote(step.target)}`;
      case "rename":
        return `mv -T -- ${real(step.path)} ${real(step.to)}`;
      case "displace":
      case "restore":
        return `${step.do} ${real(step.path)} ${real(step.keep)} ${shellQuote(step.name)}`;
      case "remove":
        return `rm -f -- ${real(step.path)}`;
      case "remove-tree":
        return `rm -rf --one-file-system -- ${real(step.path)}`;
      case "remove-if-empty":
        return `remove_if_empty ${real(step.path)}`;
      case "ensure-folder":
        return `(umask 022; mkdir -p -- ${real(step.path)})`;
      case "remove-if-last":
        return `remove_if_last ${real(step.folder)} ${step.names.map(shellQuote).join(" ")}`;
      case "touch":
        return `touch -c -- ${real(step.path)}`;
      case "add-account":
        return `add_account ${[step.name, step.home, step.shell, step.comment, step.groups.join(",")].map(shellQuote).join(" ")}`;
      case "change-account":
        return `change_account ${[step.name, step.home, step.shell, step.groups.join(",")].map(shellQuote).join(" ")}`;
      case "remove-account":
        return `remove_account ${shellQuote(step.name)}`;
      case "commit":
        return "commit";
    }
  };
  const library = LIBRARY.replace("@OWNERS@", vantage.owners ? "yes" : "no")
    .replace("@READY@", READY)
    .replace("@GO@", GO);
  const text = [
    library,
    vantage.prefix === "" ? ACCOUNTS_LIVE : `etc=${real("/etc")}\n${ACCOUNTS_FOLDER}`,
    `(umask 022; mkdir -p -- ${real(plan.lock.slice(0, plan.lock.lastIndexOf("/")))})`,
    `exec 9>>${real(plan.lock)}`,
    `flock -w 30 9 || { echo ${shellQuote(`another change holds ${plan.lock}`)} >&2; exit ${LOCKED}; }`,
    ...plan.steps.map(line),
    `echo ${DONE}`,
  ].join("\n");
  return { text, payload: Buffer.concat(contents), commits: plan.steps.some((step) => step.do === "commit") };
}
