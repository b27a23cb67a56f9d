# What the revert of a house is made of: see provider/host/revert.ts, which calls it between steps of a plan. Comes after
# units.sh, health.sh and arm.sh. Ends with
#   80  the release before runs again and is well       82  there was none; the unit is stopped
#   81  it is in force again, but is not well           other codes: it could not be done
: "${timer:?}"

begin() { # begin HOUSE RELEASE MODE: under the lock, when it is time
  case $3 in
    holding) ;;
    boot) take_lock "$1/.lock" 30 73 ;;
    timer)
      while :; do
        if ! still_pending "$1" "$2"; then exit 0; fi
        left=$(left_of "$1")
        if [ "$left" -gt 0 ]; then
          sleep "$left"
          continue
        fi
        # Whoever switches or confirms just now has it, for as long as the house's settings allow, and may give it more time.
        take_lock "$1/.lock" 86400 73
        if [ "$(left_of "$1")" -le 0 ]; then break; fi
        exec 9>&-
      done
      ;;
    *)
      echo "usage: revert.sh holding|boot|timer" >&2
      exit 64
      ;;
  esac
  if ! still_pending "$1" "$2"; then exit 0; fi
}

still_pending() { [ -e "$1/pending/${kind:-release}-$2" ]; } # still_pending HOUSE RELEASE, or what kind says instead

reject() { # reject HOUSE RELEASE MODE: where that cannot be written down, the house goes back all the same
  case $3 in
    holding) why="it was not well after the switch" ;;
    timer) why="it was not confirmed in time" ;;
    boot) why="the host was restarted before it was confirmed" ;;
  esac
  if [ -f "$1/rejected" ] && cut -f 1 "$1/rejected" | grep -qxF -- "$2"; then return; fi
  printf '%s\t%s\t%s\n' "$2" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$why" >>"$1/rejected" || :
}

is_revoked() { # is_revoked HOUSE RELEASE
  [ -f "$1/revoked" ] && cut -f 1 "$1/revoked" | grep -qxF -- "$2"
}

start_again() { # start_again UNIT: as far as it still has a file
  if [ ! -e "/etc/systemd/system/$1" ]; then return; fi
  start_over "$1"
}

told() { # told HOUSE CODE WORDS
  disarm "$timer"
  settle "$1"
  logger -t wizard-house -p daemon.err -- "$1: $3" 9>&- || :
  echo "$3" >&2
  exit "$2"
}
