#!/bin/sh
# Makes sure that <home>/.env is a plain file, so that the unit can mount the release's .env over it.
#
#   prepare-home.sh <home>
#
# Runs before every start of the gateway, outside its sandbox and as the house's user: whatever was planted here is
# touched with that user's rights only. A link would carry the mount to its target and leave the name itself free
# for the agent; a missing file would be created by root.
set -eu

env_file=$1/.env
umask 077

if [ -L "$env_file" ] || { [ -e "$env_file" ] && [ ! -f "$env_file" ]; }; then
  # Set aside, not removed: it may be something the agent's owner still wants to see.
  mv -f -T -- "$env_file" "$env_file.set-aside.$(date -u +%Y%m%dT%H%M%SZ).$$"
fi
[ -e "$env_file" ] || : >"$env_file"
