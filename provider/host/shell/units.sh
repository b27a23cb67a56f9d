# Systemd units on a live host: see provider/host/steps.ts. Needs $marks, the folder of the marks that say which units
# still run on what was there before a switch.
: "${marks:?}"

mark_restart() { # mark_restart UNIT
  mkdir -p -- "$marks"
  : >"$marks/$1"
}

reload_units() { systemctl daemon-reload </dev/null 9>&-; }

unit_failed() { # unit_failed UNIT WHAT: says so, with the last lines of its journal
  {
    echo "$1 $2"
    journalctl --unit "$1" --lines 12 --output cat --no-pager --quiet || :
  } </dev/null >&2 9>&-
  exit 77
}

answer() { # answer URL: what it answers, 000 if nothing
  curl --silent --output /dev/null --max-time 5 --write-out '%{http_code}' -- "$1" </dev/null 9>&- || :
}

restart_unit() { # restart_unit UNIT DEADLINE [URL]
  if [ -n "$3" ] && ! command -v curl >/dev/null; then
    echo "curl is not installed, and without it nobody can tell whether $1 is well: add it to the host's packages" >&2
    exit 78
  fi
  systemctl restart -- "$1" </dev/null 9>&- || unit_failed "$1" "did not start"
  end=$(($(seconds) + $2)) steady=0
  while :; do
    state=$(systemctl show --property=ActiveState,SubState --value -- "$1" </dev/null 9>&-)
    case $state in
      active*) steady=$((steady + 1)) ;;
      activating*auto-restart | failed* | inactive*) unit_failed "$1" "started and ended again" ;;
      *) steady=0 ;;
    esac
    # Without a URL all that can be told is that it does not end at once.
    if [ -n "$3" ]; then
      if [ "$steady" -gt 0 ] && [ "$(answer "$3")" = 200 ]; then break; fi
    elif [ "$steady" -gt 3 ]; then break
    fi
    if [ "$(seconds)" -ge "$end" ]; then unit_failed "$1" "is not well after $2 s${3:+: $3 does not answer 200}"; fi
    sleep 0.4
  done
  rm -f -- "$marks/$1"
}

start_over() { # start_over UNIT: whether it is well then is asked later, see health.sh
  systemctl restart -- "$1" </dev/null 9>&- || unit_failed "$1" "did not start"
}

stop_unit() { # stop_unit UNIT
  systemctl stop -- "$1" </dev/null 9>&-
  rm -f -- "$marks/$1"
  if [ -d "$marks" ]; then rmdir --ignore-fail-on-non-empty -p -- "$marks" 2>/dev/null || :; fi
}
