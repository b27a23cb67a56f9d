#!/bin/sh
# launch.sh GROUP-FOLDER... -- COMMAND...
# Enters the control groups, then becomes COMMAND. A group that is gone was removed by `down`: then nothing starts.
set -eu
while [ "$1" != -- ]; do
  echo "$$" >"$1/cgroup.procs"
  shift
done
shift
exec "$@"
