#!/bin/sh
# power.sh GROUP-FOLDER... -- COMMAND...
# Enters the control groups, then runs the machine, again after each reboot it asked for. A group that is gone was removed
# by `down`: then nothing starts.
set -eu
while [ "$1" != -- ]; do
  echo "$$" >"$1/cgroup.procs"
  shift
done
shift
code=133
while [ "$code" -eq 133 ]; do # how systemd-nspawn says that the machine wants a reboot
  code=0
  "$@" || code=$?
done
exit "$code"
