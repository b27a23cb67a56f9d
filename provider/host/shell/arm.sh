# Around the switch of a house: the host reverts it by itself unless it is confirmed. See provider/host/revert.ts. Comes
# after steps.sh.
#
#   <house>/pending/                 while a release is in force that nobody has confirmed
#   <house>/pending/release-<id>     which one; restore-<id> where it is a restored home, see provider/host/restore.ts
#   <house>/pending/revert.sh        the way back; run by the timer, by the unit at boot, or by a script that fails
#   <house>/pending/until            seconds since boot before which the timer leaves it alone, and which boot

watch_for() { # watch_for HOUSE SECONDS: counted from now
  echo "$(($(seconds) + $2)) $(boot_id)" >"$1/pending/until"
}

left_of() { # left_of HOUSE: how many seconds it still has; none where that is not known, or where the host was restarted
  until='' boot=''
  read -r until boot 2>/dev/null <"$1/pending/until" || :
  if [ "$boot" != "$(boot_id)" ]; then until=0; fi
  echo $((until - $(seconds)))
}

arm() { # arm HOUSE UNIT SECONDS
  disarm "$2"
  # A power cut must find all of it or nothing.
  if ! {
    watch_for "$1" "$3" &&
      sync -- "$1/pending/revert.sh" "$1/pending" "$1" &&
      systemd-run --quiet --collect --unit="$2" --on-active="$3" --timer-property=AccuracySec=100ms \
        -- /bin/sh "$1/pending/revert.sh" timer </dev/null 9>&-
  }; then
    settle "$1"
    echo "the timer that would revert it cannot be set up, so nothing is switched" >&2
    exit 86
  fi
  armed=$1
  trap 'turn_back $?' EXIT
}

disarm() { # disarm UNIT
  systemctl stop -- "$1.timer" </dev/null 2>/dev/null 9>&- || :
  systemctl reset-failed -- "$1.timer" "$1.service" </dev/null 2>/dev/null 9>&- || :
}

turn_back() { # turn_back CODE: at the end of a script
  if [ "$1" -eq 0 ]; then return; fi
  trap - EXIT
  code=0
  /bin/sh "$armed/pending/revert.sh" holding </dev/null || code=$?
  exit "$code"
}

unconfirmed() { # unconfirmed HOUSE RELEASE [KIND]: or says that it is too late
  if [ ! -e "$1/pending/${3:-release}-$2" ]; then
    echo "${3:-release} $2 was not confirmed in time, and the host has reverted it by itself" >&2
    exit 84
  fi
  armed=$1
  trap 'turn_back $?' EXIT
}

confirmed() { # confirmed HOUSE UNIT: from here on nothing reverts it
  disarm "$2"
  settle "$1"
  trap - EXIT
}

forget_pending() { # forget_pending HOUSE UNIT: of a switch that was cut before anything was in force there is no way back
  if [ -L "$1/current" ]; then
    echo "a release has come into force there meanwhile: run this again" >&2
    exit 1
  fi
  disarm "$2"
  settle "$1"
}

settle() { # settle HOUSE
  rm -rf -- "$1/pending.done"
  mv -T -- "$1/pending" "$1/pending.done"
  rm -rf -- "$1/pending.done"
}

touch_cron() { # touch_cron FOLDER: cron notices another file only by another time
  if [ -d "$1" ] && [ ! -L "$1" ]; then find -P "$1" -type f -exec touch -- {} +; fi
}
