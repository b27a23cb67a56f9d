#!/usr/bin/env bash
# with-key.sh COMMAND...: runs it with an SSH agent that holds the key in $SSH_KEY. The command gets the agent and not the
# key, which touches no disk; the agent ends with the command.
set -euo pipefail
[ -n "${SSH_KEY:-}" ] || { echo "with-key.sh: SSH_KEY is not set; it is the private key of an observer (docs/pull-requests.md)" >&2; exit 1; }
eval "$(ssh-agent)" >/dev/null
trap 'ssh-agent -k >/dev/null' EXIT
printf '%s\n' "$SSH_KEY" | ssh-add -q -
export -n SSH_KEY
unset SSH_KEY
"$@"
