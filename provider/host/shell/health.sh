# Whether a house's unit is well: see provider/host/steps.ts. Comes after units.sh and steps.sh.
: "${marks:?}"

beat_of() { # beat_of USER FILE: the pid in a heartbeat, read as the account that may write it; nothing if it is none
  # shellcheck disable=SC2016 # for the shell of that account
  as_account "$1" 5 /bin/sh -c 'if [ -f "$1" ] && [ ! -L "$1" ]; then exec head -c 4096 -- "$1"; fi' sh "$2" 2>/dev/null |
    tr -d '\000' | sed -n 's/.*"pid"[[:space:]]*:[[:space:]]*\([0-9]\{1,9\}\).*/\1/p' | head -n 1
}

look_at() { # look_at UNIT: sets active, sub and pid
  active='' sub='' pid=0
  shown=$(systemctl show --property=ActiveState --property=SubState --property=MainPID -- "$1" </dev/null 9>&-)
  while IFS='=' read -r name value; do
    case $name in
      ActiveState) active=$value ;;
      SubState) sub=$value ;;
      MainPID) pid=$value ;;
    esac
  done <<END
$shown
END
}

# The program sees what the unit's own processes see: the same mounts, account, environment and working directory.
probe() { # probe UNIT USER COMMAND...: with all it says on standard output
  look_at "$1"
  environment=$(systemctl show --property=Environment --value -- "$1" </dev/null 9>&-)
  home=$(systemctl show --property=WorkingDirectory --value -- "$1" </dev/null 9>&-)
  account=$2
  shift 2
  # shellcheck disable=SC2086,SC2016 # one word each, the unit's values have no white space; for the shell of that account
  timeout -k 5 60 nsenter --mount="/proc/$pid/ns/mnt" -- setpriv --reuid="$account" --regid="$account" --clear-groups \
    --no-new-privs env -i $environment /bin/sh -c 'cd "$1"; shift; exec "$@"' sh "$home" "$@" </dev/null 2>&1 9>&-
}

healthy() { # healthy UNIT DEADLINE STABLE URL HEARTBEAT USER [COMMAND...]: empty where the house has none
  if [ -n "$4" ] && ! command -v curl >/dev/null; then
    echo "curl is not installed, and without it nobody can tell whether $1 is well: add it to the host's packages" >&2
    exit 78
  fi
  unit=$1 within=$2 stable=$3 url=$4 heartbeat=$5 user=$6
  shift 6
  end=$(($(seconds) + within)) known=0 since=0
  while :; do
    look_at "$unit"
    now=$(seconds)
    case $active,$sub in
      failed,* | inactive,* | activating,auto-restart) unit_failed "$unit" "started and ended again" ;;
    esac
    if [ "$pid" != "$known" ]; then known=$pid since=$now; fi
    if [ "$active" != active ] || [ "$pid" = 0 ]; then missing="it is $active"
    elif [ -n "$url" ] && [ "$(answer "$url")" != 200 ]; then missing="$url does not answer 200"
    elif [ -n "$heartbeat" ] && [ "$(beat_of "$user" "$heartbeat")" != "$pid" ]; then
      missing="its process has written no heartbeat to $heartbeat"
    elif [ $((now - since)) -lt "$stable" ]; then missing="it has not run for $stable s without a break"
    else break
    fi
    if [ "$now" -ge "$end" ]; then unit_failed "$unit" "is not well after $within s: $missing"; fi
    sleep 0.4
  done
  if [ $# -gt 0 ] && ! said=$(probe "$unit" "$user" "$@"); then
    printf '%s runs, but not on this release\n%s\n' "$unit" "$(printf '%s\n' "$said" | tail -n 6)" >&2
    exit 77
  fi
  rm -f -- "$marks/$unit"
}
