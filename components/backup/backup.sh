#!/bin/sh
# Makes an encrypted backup of one wizard house, on its host, as root.
#
#   backup.sh scheduled <settings file>   as cron calls it: one line in the journal says how it went
#   backup.sh make <settings file>        makes one now and prints its path; what was taken is said on standard error
#
# What is read in the agent's home is read as the house's user, by collect.py, and goes through a pipe into age, which
# knows public keys and nothing else: in clear it touches no disk. A backup has its name once it is whole and on the disk:
#
#   FOLDER/<UTC time>.tar.age     root's, 0600; the newest KEEP stay, the one just made among them
#   FOLDER/.making                the one that is being made; a run that was cut off leaves it, and the next removes it
#
# Exit codes: 0 made, or (scheduled) another run is still at work; 1 not made, and nothing older was removed; 2 wrong usage
# or settings.
set -u
umask 077
LC_ALL=C
export LC_ALL

NAME=unknown
how=${1:-}

say() { # level, message
  if [ "$how" = scheduled ]; then
    logger -t "wizard-$NAME" -p "daemon.$1" -- "backup: $2" 9>&- || printf 'backup: %s\n' "$2" >&2
  else
    printf '%s\n' "$2" >&2
  fi
}

fail() { # exit code, message
  say err "$2"
  exit "$1"
}

is_whole_number() {
  case $1 in '' | *[!0-9]*) return 1 ;; esac
  [ "${#1}" -le 15 ]
}

read_settings() { # file
  HOUSE='' AGENT_USER='' PYTHON='' HARNESS='' FOLDER='' KEEP='' MAX_SIZE='' TIMEOUT=''
  if [ ! -f "$1" ] || [ ! -r "$1" ]; then fail 2 "settings file $1 cannot be read"; fi
  while IFS= read -r line || [ -n "$line" ]; do
    value=${line#*=}
    case $line in
      '' | '#'*) ;;
      NAME=*) NAME=$value ;;
      HOUSE=*) HOUSE=$value ;;
      AGENT_USER=*) AGENT_USER=$value ;;
      PYTHON=*) PYTHON=$value ;;
      HARNESS=*) HARNESS=$value ;;
      FOLDER=*) FOLDER=$value ;;
      KEEP=*) KEEP=$value ;;
      MAX_SIZE=*) MAX_SIZE=$value ;;
      TIMEOUT=*) TIMEOUT=$value ;;
      *) fail 2 "settings file $1 has an unknown line, beginning with '${line%%=*}'" ;;
    esac
  done <"$1"
  for value in "$KEEP" "$MAX_SIZE" "$TIMEOUT"; do
    is_whole_number "$value" || fail 2 "KEEP, MAX_SIZE and TIMEOUT in $1 must be whole numbers, got '$value'"
  done
  case $HOUSE,$FOLDER,$PYTHON in /*,/*,/*) ;; *) fail 2 "HOUSE, FOLDER and PYTHON in $1 must be absolute paths" ;; esac
  if [ -z "$AGENT_USER" ] || [ "$KEEP" -eq 0 ]; then fail 2 "AGENT_USER in $1 is empty, or KEEP is 0"; fi
}

# Runs a command as the house's user. Root drops its rights; an ordinary user has none to drop.
as_agent() {
  if [ "$(id -u)" -eq 0 ]; then
    timeout -k 5 "$TIMEOUT" setpriv --reuid="$AGENT_USER" --regid="$(id -g "$AGENT_USER")" --clear-groups \
      --no-new-privs --reset-env -- "$@" </dev/null 9>&-
  else
    timeout -k 5 "$TIMEOUT" "$@" </dev/null 9>&-
  fi
}

# The last line a program has said, printable and short.
last_of() { # file
  tail -c 2000 "$1" | tr -cd '\n -~' | grep . | tail -n 1 | cut -c 1-400
}

make() { # path of the new backup
  part=$FOLDER/.making
  # Not beside it: where there is no room left, there is none for the reason either.
  words=$(mktemp -d /run/wizard-backup.XXXXXX 2>/dev/null || mktemp -d) || fail 1 "there is no room for anything"
  # Two ends of a pipe, and both must have succeeded. The agent's account has no more of root's than the pipe.
  codes=$(
    {
      {
        as_agent "$PYTHON" -I -S -B "$here/collect.py" "$NAME" "$HOUSE" "$HARNESS" "$MAX_SIZE" 2>"$words/said" 3>&-
        echo "$?" >&3
      } | age --encrypt --recipients-file "$here/recipients" >"$part" 2>"$words/age" 9>&- 3>&-
      echo "$?" >&3
    } 3>&1
  )
  said=$(last_of "$words/said")
  # What follows is advice.
  encrypting=$(grep -m 1 '^age: ' "$words/age" | tr -cd ' -~' | cut -c 1-400)
  rm -rf -- "$words"
  # shellcheck disable=SC2086 # two numbers
  set -- "$1" $codes
  # A full disk ends both; what age says is the reason then.
  if [ "${3:-1}" != 0 ]; then
    rm -f -- "$part"
    fail 1 "nothing could be encrypted: ${encrypting:-age ended with code ${3:-unknown}}"
  fi
  if [ "${2:-1}" != 0 ]; then
    rm -f -- "$part"
    case ${2:-} in
      124 | 137) fail 1 "was ended after $TIMEOUT s" ;;
    esac
    fail 1 "failed: ${said:-collect.py ended with code ${2:-unknown}}"
  fi
  if ! sync -- "$part" || ! mv -f -T -- "$part" "$1" || ! sync -- "$FOLDER"; then
    rm -f -- "$part"
    fail 1 "$1 cannot be written"
  fi
}

# Names behind the new one are of a clock that was ahead and was put right. They are the first to go.
prune() { # prune NEW
  new=$1
  set -- "$FOLDER"/[0-9]*Z.tar.age
  for name do
    shift
    set -- "$@" "$name"
    if [ "$name" = "$new" ]; then break; fi
  done
  while [ $# -gt "$KEEP" ]; do
    rm -f -- "$1"
    shift
  done
}

if [ $# -ne 2 ] || { [ "$how" != scheduled ] && [ "$how" != make ]; }; then
  echo "usage: backup.sh scheduled|make <settings file>" >&2
  exit 2
fi
read_settings "$2"
here=${2%/*}
[ -d "$HOUSE" ] || fail 1 "there is no house at $HOUSE"
id -u "$AGENT_USER" >/dev/null 2>&1 || fail 1 "there is no user $AGENT_USER"
command -v age >/dev/null || fail 1 "age is not installed: npm run up installs it"
{ mkdir -p -- "$FOLDER" && chmod 0700 -- "$FOLDER"; } || fail 1 "cannot make $FOLDER"

exec 9>>"$FOLDER/.lock"
if ! flock -n 9; then
  if [ "$how" = scheduled ]; then
    say warning "the run before is still at work; this one is left out"
    exit 0
  fi
  flock -w "$TIMEOUT" 9 || fail 1 "another backup was at work for $TIMEOUT s"
fi
new=$FOLDER/$(date -u +%Y%m%dT%H%M%SZ).tar.age
make "$new"
prune "$new"
say info "$(stat -c %s -- "$new") bytes in $new: $said"
if [ "$how" = make ]; then printf '%s\n' "$new"; fi
