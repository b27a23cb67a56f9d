#!/bin/sh
# Sourced by the scripts of the deploy hook: one line in the journal for each story, and the outcome of a run for whoever
# reports it. What comes from outside is made harmless before it is told.
set -u
LC_ALL=C
export LC_ALL

printable() { printf '%s' "$1" | tr -c ' -~' ' ' | cut -c "1-${2:-300}"; }

say() { # say LEVEL MESSAGE
  logger -t wizard-deploy -p "daemon.$1" -- "$(printable "$2" 600)" || printf '%s\n' "$2" >&2
}

# /run is memory: how a run ended can be told when the disk is full, too.
outcome() { # outcome RUN COMMIT STATE MESSAGE; STATE is running, passed or failed
  (umask 022 && printf '%s %s %s %s\n' "$1" "$2" "$3" "$(printable "$4")" >"$RUNTIME_DIRECTORY/outcome.new") &&
    mv -- "$RUNTIME_DIRECTORY/outcome.new" "$RUNTIME_DIRECTORY/outcome"
}

# The run under way, as fetch.sh began it.
target() { # sets $run and $commit
  # shellcheck disable=SC2034 # for whoever sources this
  read -r run commit </run/deploy-forge/target || {
    say err "no run is under way: deploy-fetch.service has not said what to bring up"
    exit 1
  }
}
