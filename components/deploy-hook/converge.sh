#!/bin/sh
# Third step of a run, the only one that sees the stack's passphrase and the SSH key: brings the stack up from a tree it
# cannot write to. Where somebody else is at it, it waits and says who.
#
# Environment: NODE, STACK, STATE_DIRECTORY, RUNTIME_DIRECTORY, CREDENTIALS_DIRECTORY, and what Pulumi reads.
# shellcheck source=components/deploy-hook/story.sh
. "${0%/*}/story.sh"
umask 077
PATH=$NODE/bin:/usr/local/bin:/usr/bin:/bin
HOME=$STATE_DIRECTORY
export PATH HOME

target
said=$RUNTIME_DIRECTORY/said
pipe=$RUNTIME_DIRECTORY/pipe
child=
outcome "$run" "$commit" running "was ended before it was done: by its deadline, or by hand"
for missing in deploy-passphrase deploy-ssh-key; do
  [ -e "$CREDENTIALS_DIRECTORY/$missing" ] || {
    outcome "$run" "$commit" failed "/etc/credstore/$missing is missing on the control house"
    exit 1
  }
done
cd /var/lib/deploy-forge/tree || exit 1
mkdir -p -- "$STATE_DIRECTORY/pulumi"
case $PULUMI_BACKEND_URL in file://*) mkdir -p -- "${PULUMI_BACKEND_URL#file://}" ;; esac
login=$CREDENTIALS_DIRECTORY/deploy-pulumi-credentials
if [ -e "$login" ]; then
  # The engine writes beside it, so it gets a copy, in memory and for this run.
  trap 'rm -rf -- "$RUNTIME_DIRECTORY/login"' EXIT
  mkdir -p -- "$RUNTIME_DIRECTORY/login" && cp -- "$login" "$RUNTIME_DIRECTORY/login/credentials.json"
  export PULUMI_CREDENTIALS_PATH="$RUNTIME_DIRECTORY/login"
fi

# The engine ends in order on SIGINT: what it has begun on a host is finished.
ending=
trap 'ending=yes; [ -z "$child" ] || kill -INT "$child"' INT TERM
while :; do
  rm -f -- "$pipe" && mkfifo -- "$pipe"
  tee -- "$said" <"$pipe" &
  node scripts/run.mjs up -s "$STACK" --yes --refresh --recover --policy-pack policies >"$pipe" 2>&1 </dev/null &
  child=$!
  # A trapped signal ends a wait: the child is still to be waited for.
  while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
  done
  child=
  wait
  rm -f -- "$pipe"
  if [ "$code" -eq 0 ] || [ -n "$ending" ]; then break; fi
  # The engine names the holder in the line behind.
  holder=$(grep -m 1 -A 1 -E ' is in use by | is locked from another machine by |currently locked by' "$said") || break
  holder=$(printf '%s' "$holder" | tr -s ' \n' ' ')
  outcome "$run" "$commit" running "waits until the stack is free: $holder"
  say info "$(printf '%.10s' "$commit") waits until the stack is free: $holder"
  sleep 5
  [ -z "$ending" ] || exit 1
done

if [ "$code" -eq 0 ]; then
  changes=$(grep -E '^ +[-+~] *[0-9]+ |^ +[0-9]+ unchanged' "$said" | tr -s ' \n' ' ')
  outcome "$run" "$commit" passed "converged:${changes:- nothing to change}"
  printf '%s\n' "$commit" >"$STATE_DIRECTORY/deployed.new" && chmod 0640 "$STATE_DIRECTORY/deployed.new" &&
    mv -- "$STATE_DIRECTORY/deployed.new" "$STATE_DIRECTORY/deployed"
  exit
fi
# What it was in the middle of is told already.
[ -z "$ending" ] || exit 1
wrong=$(sed -n '/^What went wrong:/,$p' "$said" | sed 1d | grep . | head -n 3 | tr -s ' \n' ' ')
[ -n "$wrong" ] || wrong=$(grep . "$said" | tail -n 3 | tr -s ' \n' ' ')
outcome "$run" "$commit" failed "up ended with $code: $wrong"
exit 1
