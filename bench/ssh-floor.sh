#!/bin/sh
# ssh-floor.sh SSH-CONFIG FOLDER: runs each script in FOLDER on the machine it is named after, all at once.
set -u
config=$1
folder=$2
children=
for script in "$folder"/*; do
  ssh -F "$config" -o BatchMode=yes "${script##*/}" sh -s <"$script" &
  children="$children $!"
done
code=0
for child in $children; do
  wait "$child" || code=1
done
exit "$code"
