#!/bin/sh
# The deadman switch of one wizard house. Cron runs it every minute, as root.
#
#   deadman.sh <settings file>              look, and act if the house has gone silent
#   deadman.sh --dry-run <settings file>    look, and only say what would be done
#
# Signs of life, best first; the first one that can be read decides:
#   1. <home>/state/gateway.heartbeat       if the pid in it is the unit's main process
#   2. <home>/cron/ticker_last_success
#   3. HEALTH_URL                           answers 2xx
# A file is a sign of life when it *changes*; how long ago it last did is counted on the kernel's monotonic clock. So
# clock steps, missing heartbeats and heartbeats dated in the future need no case of their own.
#
# No change for GRACE seconds: if `current` is not `known-good`, the current release goes into `rejected` and
# `current` is set back; then the unit is restarted. At most MAX_RETRIES times within WINDOW seconds; after that the
# flag STATE/deadman_active is set, an alert goes out, and nothing more is done until a human removes the flag. It
# never deploys anything. A unit that was stopped (inactive, not failed) was stopped by root and is left alone, unless
# HOME_UNIT, without which it does not start, has failed: systemd leaves it inactive then, and does not try again.
#
# Alerts go to the journal and, where the settings name them, to a webhook (the newest one) and to a Gitea or Forgejo: an
# issue when the house is given up, and while that is open a comment for everything further (forge.sh). What cannot be
# delivered waits in STATE and is tried again every minute.
#
# The agent is not trusted: whatever lies in <home> is read as its own user, regular files only, bounded in bytes and
# time. Counters and the flag are root's, in STATE. Everything that moves `current` shares the lock <house>/.lock.
#
# Files in STATE:
#   alive             "<boot id> <uptime>": when a sign of life last changed
#   seen.<signal>     checksum of that signal as last seen
#   attempts          one line per restart: epoch seconds
#   deadman_active    "<time><tab><reason>", while the switch has given up
#   drained           is an operator's: while it is there, nothing is done
#   alert             the last alert for the webhook, as JSON, until it could be delivered
#   forge/<event>     an alert for the forge, the same way: "<what><tab><time><tab><reason>"
#   forge.issue       "<number> <api>": the issue that was opened last, and where
#
# Exit codes: 0 looked (and acted, if need be); 1 could not look or act; 2 wrong usage or settings.
set -u
umask 077
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin
export PATH
LC_ALL=C
export LC_ALL

TAB=$(printf '\t')
# Seconds beyond its time after which an unconfirmed release is ours to revert.
OVERDUE=60
NAME=unknown

say() { # level, message
  logger -t "deadman-$NAME" -p "daemon.$1" -- "$2" 9>&- || printf 'deadman-%s: %s\n' "$NAME" "$2" >&2
}

fail() { # exit code, message
  say err "$2"
  [ ! -t 2 ] || printf '%s\n' "$2" >&2
  exit "$1"
}

# --- settings ---------------------------------------------------------------------------------------------------

is_whole_number() {
  case $1 in '' | *[!0-9]*) return 1 ;; esac
  [ "${#1}" -le 9 ]
}

read_settings() { # file
  HOUSE='' STATE='' AGENT_USER='' UNIT='' HOME_UNIT='' HEALTH_URL='' GRACE='' MAX_RETRIES='' WINDOW=''
  FORGE_API='' SECRETS='' DRY_RUN=''
  if [ ! -f "$1" ] || [ ! -r "$1" ]; then fail 2 "settings file $1 cannot be read"; fi
  while IFS= read -r line || [ -n "$line" ]; do
    value=${line#*=}
    case $line in
      '' | '#'*) ;;
      NAME=*) NAME=$value ;;
      HOUSE=*) HOUSE=$value ;;
      STATE=*) STATE=$value ;;
      AGENT_USER=*) AGENT_USER=$value ;;
      UNIT=*) UNIT=$value ;;
      HOME_UNIT=*) HOME_UNIT=$value ;;
      HEALTH_URL=*) HEALTH_URL=$value ;;
      GRACE=*) GRACE=$value ;;
      MAX_RETRIES=*) MAX_RETRIES=$value ;;
      WINDOW=*) WINDOW=$value ;;
      FORGE_API=*) FORGE_API=$value ;;
      SECRETS=*) SECRETS=$value ;;
      DRY_RUN=*) DRY_RUN=$value ;;
      *) fail 2 "settings file $1 has an unknown line, beginning with '${line%%=*}'" ;;
    esac
  done <"$1"
  for value in "$GRACE" "$MAX_RETRIES" "$WINDOW"; do
    is_whole_number "$value" || fail 2 "GRACE, MAX_RETRIES and WINDOW in $1 must be whole numbers, got '$value'"
  done
  case $HOUSE,$STATE in /*,/*) ;; *) fail 2 "HOUSE and STATE in $1 must be absolute paths" ;; esac
  case $NAME in '' | *[!a-z0-9_-]*) fail 2 "NAME in $1 must be lower-case letters, digits, - and _" ;; esac
  for value in "$UNIT" "$HOME_UNIT"; do
    case $value in *.service) ;; *) fail 2 "UNIT and HOME_UNIT in $1 must each name a .service, got '$value'" ;; esac
  done
  case $HEALTH_URL$FORGE_API in *[\"\\]*) fail 2 "a URL in $1 holds a quote or a backslash" ;; esac
  [ -n "$AGENT_USER" ] || fail 2 "AGENT_USER in $1 is empty"
  case $DRY_RUN in yes | no) ;; *) fail 2 "DRY_RUN in $1 must be yes or no, got '$DRY_RUN'" ;; esac
  read_secrets
  case $FORGE_API,$FORGE_TOKEN in ,?* | ?*,) fail 2 "FORGE_API in $1 and FORGE_TOKEN in SECRETS go together" ;; esac
}

# What only root may know: URLs with tokens in them, and the forge's token. No error repeats a value.
read_secrets() {
  PING_URL='' WEBHOOK_URL='' FORGE_TOKEN=''
  [ -n "$SECRETS" ] || return 0
  if [ ! -f "$SECRETS" ] || [ ! -r "$SECRETS" ]; then fail 2 "SECRETS: $SECRETS cannot be read"; fi
  while IFS= read -r line || [ -n "$line" ]; do
    value=${line#*=}
    case $line in
      '' | '#'*) ;;
      PING_URL=*) PING_URL=$value ;;
      WEBHOOK_URL=*) WEBHOOK_URL=$value ;;
      FORGE_TOKEN=*) FORGE_TOKEN=$value ;;
      *) fail 2 "$SECRETS has a line that begins with none of PING_URL=, WEBHOOK_URL=, FORGE_TOKEN=" ;;
    esac
  done <"$SECRETS"
  case $PING_URL$WEBHOOK_URL in *[\"\\]*) fail 2 "a URL in $SECRETS holds a quote or a backslash" ;; esac
  case $FORGE_TOKEN in *[!A-Za-z0-9._-]*) fail 2 "FORGE_TOKEN in $SECRETS must be letters, digits, . _ and -" ;; esac
}

# --- clocks and state -------------------------------------------------------------------------------------------

uptime_seconds() {
  read -r up _ </proc/uptime
  echo "${up%%.*}"
}

boot_id() { cat /proc/sys/kernel/random/boot_id; }

keep() { # file in STATE, text: replaces it in one step, so that a crash leaves the old or the new
  { printf '%s\n' "$2" >"$STATE/$1.new" && mv -f "$STATE/$1.new" "$STATE/$1"; } || fail 1 "cannot write $STATE/$1"
}

recall() { # file in STATE
  [ ! -f "$STATE/$1" ] || cat "$STATE/$1"
}

mark_alive() { keep alive "$(boot_id) $(uptime_seconds)"; }

# Seconds since a sign of life last changed. After a reboot, and the first time, counting begins now.
silence() {
  alive=$(recall alive)
  since=${alive#* }
  now=$(uptime_seconds)
  if [ "${alive%% *}" != "$(boot_id)" ] || ! is_whole_number "$since" || [ "$since" -gt "$now" ]; then
    mark_alive
    echo 0
    return
  fi
  echo $((now - since))
}

# --- HTTP -------------------------------------------------------------------------------------------------------

# curl with a configuration on standard input: URLs and tokens must not stand in argv. No redirect is followed, which
# would take a token to whatever it names.
http() { # further options
  curl -q --config - --silent --globoff --max-time 10 --max-redirs 0 --proto '=http,https' "$@" 9>&-
}

# --- signs of life ----------------------------------------------------------------------------------------------

# Runs a command as the house's user, for at most 5 seconds. Root drops its rights; an ordinary user has none to drop.
as_agent() {
  if [ "$(id -u)" -eq 0 ]; then
    timeout -k 1 5 setpriv --reuid="$AGENT_USER" --regid="$(id -g "$AGENT_USER")" --clear-groups --no-new-privs \
      --reset-env -- "$@" </dev/null 9>&-
  else
    timeout -k 1 5 "$@" </dev/null 9>&-
  fi
}

# Prints up to 4096 bytes of a file of the agent's; nothing if it is missing, no regular file, or not readable. The
# lock is closed for the child: a process of the agent's account must not be able to hold on to it.
read_of_agent() { # path
  # shellcheck disable=SC2016 # expanded by the inner shell
  as_agent /bin/sh -c '[ -f "$1" ] && [ ! -L "$1" ] && exec head -c 4096 -- "$1"' sh "$1" 2>/dev/null | tr -d '\000'
}

changed() { # signal, text: true if the text is not what was seen last time
  sum=$(printf '%s' "$2" | cksum)
  [ "$sum" != "$(recall "seen.$1")" ] || return 1
  keep "seen.$1" "$sum"
}

healthy() {
  [ -n "$HEALTH_URL" ] && command -v curl >/dev/null || return 1
  printf 'url = "%s"\n' "$HEALTH_URL" | http --fail --output /dev/null --max-time 5
}

# True if the house has given a sign of life since the last look.
shows_life() { # main pid
  heartbeat=$(read_of_agent "$HOUSE/home/state/gateway.heartbeat")
  pid=$(printf '%s' "$heartbeat" | sed -n 's/.*"pid"[[:space:]]*:[[:space:]]*\([0-9]\{1,9\}\).*/\1/p' | head -n 1)
  if [ -n "$pid" ] && [ "$pid" = "$1" ]; then
    changed heartbeat "$heartbeat"
    return
  fi
  ticker=$(read_of_agent "$HOUSE/home/cron/ticker_last_success")
  if [ -n "$ticker" ]; then
    changed ticker "$ticker"
    return
  fi
  healthy
}

# --- alerts -----------------------------------------------------------------------------------------------------

alert() { # event, reason: reasons are our own words and hold nothing that JSON would have to escape
  say alert "$1: $2"
  time=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  [ -z "$WEBHOOK_URL" ] ||
    keep alert "{\"house\":\"$NAME\",\"event\":\"$1\",\"reason\":\"$2\",\"time\":\"$time\"}"
  # A restart is worth a comment where humans are at work on the house, and no issue of its own.
  if [ -n "$FORGE_API" ] && { [ "$1" = deadman_active ] || [ -n "$(known_issue)" ]; }; then
    wait_for_forge "$1$TAB$time$TAB$2"
  fi
}

deliver_alerts() {
  [ -f "$STATE/alert" ] || [ -d "$STATE/forge" ] || return 0
  if ! command -v curl >/dev/null; then
    say warning "alerts wait in $STATE: curl is not installed"
    return
  fi
  # One delivery at a time: a slow one may still be at work when the next look is due.
  exec 8>>"$STATE/delivery.lock"
  if flock -n 8; then
    deliver_to_webhook
    deliver_to_forge
  fi
  exec 8>&-
}

deliver_to_webhook() {
  [ -n "$WEBHOOK_URL" ] && [ -f "$STATE/alert" ] || return 0
  body=$(recall alert)
  if printf 'url = "%s"\n' "$WEBHOOK_URL" |
    http --fail --output /dev/null -H 'Content-Type: application/json' --data "$body"; then
    # A newer alert may have been written meanwhile; only the delivered one goes.
    [ "$body" != "$(recall alert)" ] || rm -f "$STATE/alert"
  else
    say warning "an alert could not be delivered to the webhook; trying again in a minute"
  fi
}

ping_monitor() {
  [ -n "$PING_URL" ] && command -v curl >/dev/null || return 0
  printf 'url = "%s"\n' "$PING_URL" | http --fail --output /dev/null ||
    say notice "the outside monitor could not be pinged"
}

# shellcheck source=/dev/null # checked as a file of its own
. "${0%/*}/forge.sh"

# --- what it does -----------------------------------------------------------------------------------------------

release_id() { # link in the house: prints the id it points at, nothing if it points at no release
  target=$(readlink "$HOUSE/$1") || return 0
  id=${target#releases/}
  case $id in "$target" | '' | .* | *[!A-Za-z0-9._-]*) return 0 ;; esac
  [ ! -d "$HOUSE/releases/$id" ] || echo "$id"
}

# Attempts within WINDOW, one epoch per line. One dated in the future is a clock that was set back: it counts from now.
recent_attempts() {
  now=$(date +%s)
  recall attempts | while read -r epoch; do
    is_whole_epoch "$epoch" || epoch=$now
    [ "$epoch" -le "$now" ] || epoch=$now
    [ $((now - epoch)) -ge "$WINDOW" ] || echo "$epoch"
  done
}

is_whole_epoch() {
  case $1 in '' | *[!0-9]*) return 1 ;; esac
  [ "${#1}" -le 12 ]
}

give_up() { # reason
  # Before the flag: after a crash in between it gives up once more, and a human is called all the same.
  alert deadman_active "$1"
  # Whoever removes the flag starts afresh, with all retries and a full grace.
  keep deadman_active "$(date -u +%Y-%m-%dT%H:%M:%SZ)$TAB$1"
  rm -f "$STATE/attempts" "$STATE/alive"
}

is_listed() { # release id, file
  [ -f "$2" ] && cut -f 1 "$2" | grep -qxF -- "$1"
}

reject() { # release id, reason
  if is_listed "$1" "$HOUSE/rejected"; then return 0; fi
  printf '%s\t%s\t%s\n' "$1" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$2" >>"$HOUSE/rejected"
}

set_current() { # release id
  # Cron notices a changed crontab by its modification time alone, and two releases may have the same one.
  [ ! -d "$HOUSE/releases/$1/cron" ] || find -P "$HOUSE/releases/$1/cron" -type f -exec touch -- {} +
  ln -sfn "releases/$1" "$HOUSE/.current.deadman" && mv -f -T "$HOUSE/.current.deadman" "$HOUSE/current"
}

act() { # reason
  current=$(release_id current)
  good=$(release_id known-good)
  # What has been revoked must never run again.
  if [ -n "$good" ] && is_listed "$good" "$HOUSE/revoked"; then good=''; fi
  what="restart $UNIT"
  [ -z "$good" ] || [ "$good" = "$current" ] || what="go back from release ${current:-(none)} to $good and restart $UNIT"
  attempts=$(recent_attempts)
  count=$(printf '%s' "$attempts" | grep -c .)

  if [ "$count" -ge "$MAX_RETRIES" ]; then
    if [ "$DRY_RUN" = yes ]; then
      say warning "dry run: $1; $count restarts did not help; would set deadman_active"
      return 0
    fi
    give_up "$1; $count restarts within $WINDOW s did not help"
    return 0
  fi
  if [ "$DRY_RUN" = yes ]; then
    say warning "dry run: $1; would $what"
    return 0
  fi

  # The attempt is counted before it is made: a crash or a reboot in the middle costs a retry, never gains one.
  keep attempts "$(printf '%s\n%s' "$attempts" "$(date +%s)" | grep .)"
  mark_alive
  if [ -n "$good" ] && [ "$good" != "$current" ]; then
    [ -z "$current" ] || reject "$current" "deadman: $1" || fail 1 "cannot write $HOUSE/rejected"
    set_current "$good" || fail 1 "cannot set $HOUSE/current"
    timeout -k 5 30 systemctl daemon-reload 9>&- || say err "systemctl daemon-reload failed"
  fi
  alert restart "$1; attempt $((count + 1)) of $MAX_RETRIES: $what"
  # Not waited for: whether it helped is what the next looks are for, and the lock is wanted by others.
  timeout -k 5 30 systemctl restart --no-block "$UNIT" 9>&- || fail 1 "systemctl restart $UNIT failed"
}

# True if the time in which a release is to be confirmed, which it may have had anew after a slow start, is long over.
is_overdue() {
  until='' boot=''
  [ ! -f "$HOUSE/pending/until" ] || read -r until boot <"$HOUSE/pending/until"
  # Seconds of an earlier boot say nothing.
  if [ "$boot" != "$(boot_id)" ] || ! is_whole_number "$until"; then until=0; fi
  [ "$(uptime_seconds)" -gt $((until + OVERDUE)) ]
}

# Prints "<active state> <main pid>" of the unit.
unit_facts() {
  shown=$(timeout -k 5 20 systemctl show --property=ActiveState --property=MainPID "$UNIT" 9>&-) || return 1
  state=$(printf '%s\n' "$shown" | sed -n 's/^ActiveState=//p')
  pid=$(printf '%s\n' "$shown" | sed -n 's/^MainPID=//p')
  [ -n "$state" ] && [ -n "$pid" ] && echo "$state $pid"
}

# True if the gateway stands still because what has to run before it did not succeed.
is_kept_down() {
  shown=$(timeout -k 5 20 systemctl show --property=ActiveState "$HOME_UNIT" 9>&-) || return 1
  [ "$shown" = ActiveState=failed ]
}

main() {
  dry_run_asked=no
  if [ "${1:-}" = --dry-run ]; then
    dry_run_asked=yes
    shift
  fi
  [ $# -eq 1 ] || fail 2 "usage: deadman.sh [--dry-run] <settings file>"
  read_settings "$1"
  [ "$dry_run_asked" = no ] || DRY_RUN=yes

  [ -d "$HOUSE" ] || fail 1 "there is no house at $HOUSE"
  id -u "$AGENT_USER" >/dev/null 2>&1 || fail 1 "there is no user $AGENT_USER"
  mkdir -p "$STATE" || fail 1 "cannot make $STATE"

  # Readable by root only, or the agent could hold the lock for ever.
  { touch "$HOUSE/.lock" && chmod 0600 "$HOUSE/.lock"; } || fail 1 "cannot open $HOUSE/.lock"
  exec 9>>"$HOUSE/.lock"
  # Taken: another copy, or an update that is moving `current` right now. Either will be done with by the next minute.
  flock -n 9 || exit 0

  if [ -f "$STATE/deadman_active" ]; then
    exec 9>&-
    deliver_alerts
    exit 0
  fi
  # An operator has drained the house. Whoever takes that back starts afresh.
  if [ -f "$STATE/drained" ]; then
    mark_alive
    exec 9>&-
    deliver_alerts
    exit 0
  fi
  # No release was ever activated here: there is nothing to guard yet.
  [ -L "$HOUSE/current" ] || exit 0
  # One is in force that waits for its confirmation. The host's own timer reverts it; where that is lost, we do.
  if [ -d "$HOUSE/pending" ]; then
    exec 9>&-
    if is_overdue && [ "$DRY_RUN" = no ]; then
      say err "a release was neither confirmed nor reverted in time; reverting it"
      timeout -k 5 600 /bin/sh "$HOUSE/pending/revert.sh" timer || say err "the revert ended with code $?"
    fi
    exit 0
  fi

  facts=$(unit_facts) || fail 1 "systemctl cannot say how $UNIT is"
  if [ "${facts% *}" = inactive ] && ! is_kept_down; then
    mark_alive
    exec 9>&-
    deliver_alerts
    exit 0
  fi
  if shows_life "${facts#* }"; then
    mark_alive
  fi
  silent_for=$(silence) || exit 1
  if [ "$silent_for" -ge "$GRACE" ]; then
    act "no sign of life for $silent_for s, unit is ${facts% *}"
  fi

  # The network may be slow, and the lock is wanted by others.
  exec 9>&-
  deliver_alerts
  [ "$silent_for" -ge "$GRACE" ] || ping_monitor
}

main "$@"
