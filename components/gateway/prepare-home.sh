#!/bin/sh
# Makes sure that files of the home are plain files, so that the unit can mount the release's over them.
#
#   prepare-home.sh <home> <file>...
#
# Runs before every start of the gateway, before anything is mounted and as the house's user: whatever was planted here
# is touched with that user's rights only. A link would carry the mount to its target and leave the name itself free
# for the agent; a missing file would be created by root.
set -eu

home=$1
shift
umask 077

for name in "$@"; do
  file=$home/$name
  if [ -L "$file" ] || { [ -e "$file" ] && [ ! -f "$file" ]; }; then
    # Set aside, not removed: it may be something the agent's owner still wants to see.
    mv -f -T -- "$file" "$file.set-aside.$(date -u +%Y%m%dT%H%M%SZ).$$"
  fi
  [ -e "$file" ] || : >"$file"
done
