#!/bin/sh
# Runs one piece of a house's scheduled work, as the house's user: one copy at a time, no longer than it may, and with
# a line in the journal that says how it went.
#
#   run.sh <house> <name> <seconds> <log folder> <program> [argument]...
#
# The lock is <log folder>/.<name>.lock, which the agent's sandbox cannot write to. The program says in its last line
# what it did; that line goes to the journal under the tag wizard-<house>, as info where the program ends with 0, else as
# err. Nothing is written to standard output: cron would make a letter of it.
#
# Exit codes: 0 done, or another copy is still at work; 1 failed or took too long; 2 wrong usage.
set -u
umask 027
LC_ALL=C
export LC_ALL

if [ $# -lt 5 ]; then
  echo "usage: run.sh <house> <name> <seconds> <log folder> <program> [argument]..." >&2
  exit 2
fi
house=$1 name=$2 seconds=$3 folder=$4
shift 4

say() { # level, message
  logger -t "wizard-$house" -p "daemon.$1" -- "$name: $2" 9>&- || printf '%s: %s\n' "$name" "$2" >&2
}

lock=$folder/.$name.lock
if [ -L "$lock" ] || ! { : >>"$lock"; } 2>/dev/null; then
  say err "its lock $lock cannot be opened"
  exit 1
fi
exec 9>>"$lock"
if ! flock -n 9; then
  say warning "the run before is still at work; this one is left out"
  exit 0
fi

# The program does not inherit the lock: what it leaves behind must not hold it. And it writes to a file, not to a pipe,
# whose end would be waited for however late.
out=$folder/.$name.out
timeout -k 5 "$seconds" "$@" </dev/null >"$out" 2>&1 9>&-
code=$?
last=$(tail -c 2000 "$out" 9>&- | tr -cd '\n -~' | grep . | tail -n 1 | cut -c 1-400)
rm -f "$out"

case $code in
  0) say info "${last:-done}" ;;
  124 | 137)
    say err "was ended after $seconds s"
    exit 1
    ;;
  *)
    say err "failed with code $code${last:+: $last}"
    exit 1
    ;;
esac
