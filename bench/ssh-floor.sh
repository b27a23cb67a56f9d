#!/bin/sh
# ssh-floor.sh SSH-CONFIG FOLDER ANSWERS: runs each script in FOLDER on the machine it is named after, all at once. What
# each machine prints is in a file of its name in ANSWERS: in one pipe they would be mixed in the middle of a line.
set -u
config=$1
folder=$2
answers=$3
children=
for script in "$folder"/*; do
  ssh -F "$config" -o BatchMode=yes "${script##*/}" sh -s <"$script" >"$answers/${script##*/}" &
  children="$children $!"
done
code=0
for child in $children; do
  wait "$child" || code=1
done
exit "$code"
