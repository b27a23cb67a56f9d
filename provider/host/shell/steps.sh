# The steps of a plan as shell functions: see provider/host/steps.ts, which calls them after those of things.sh, and sets
#   things  the text of things.sh
#   ready   what is printed before the switch, go: the word that is waited for then
#   undone  what is printed where a step has failed and the others are done all the same
: "${things:?}" "${ready:?}" "${go:?}" "${undone:?}"

# The lock is closed for children: a process of the agent's account must not be able to hold on to it.
as_account() { # as_account USER SECONDS COMMAND...
  u=$1 n=$2
  shift 2
  if ! id -u -- "$u" >/dev/null 2>&1; then
    echo "there is no account $u, and what belongs to it is touched by nobody else" >&2
    return 79
  fi
  timeout -k 5 "$n" setpriv --reuid="$u" --regid="$u" --clear-groups --no-new-privs --reset-env "$@" </dev/null 9>&-
}

as_user() { # as_user USER FUNCTION ARGUMENT...: in a folder that USER may change under our feet
  u=$1
  shift
  # shellcheck disable=SC2016 # for the shell of that account
  as_account "$u" 30 /bin/sh -c 'owners=no; eval "$1"; shift; "$@"' sh "$things" "$@" >/dev/null
}

check() { # check USER FOLDER COMMAND...
  u=$1 d=$2
  shift 2
  # shellcheck disable=SC2016 # for the shell of that account
  if ! as_account "$u" 60 /bin/sh -c 'cd "$1"; shift; exec "$@"' sh "$d" "$@" >&2; then
    echo "the check of the release failed (as $u: $*)" >&2
    exit 76
  fi
}

merge() { # merge USER COMMAND...: what it says on standard error is the reason when it fails
  u=$1
  shift
  if as_account "$u" 60 "$@" >/dev/null; then return; fi
  exit 85
}

withdraw() { # withdraw USER PROGRAM ARGUMENT...: as merge, if USER has that program; a failure of it is told, and ends nothing
  if ! as_account "$1" 5 test -x "$2"; then return; fi
  u=$1
  shift
  if as_account "$u" 60 "$@" >/dev/null; then return; fi
  echo "what is ours stays in what $u keeps, and the rest goes on" >&2
  echo "$undone"
}

seconds() { # seconds since boot: a clock that nobody sets
  read -r s _ </proc/uptime
  echo "${s%%.*}"
}

boot_id() { cat /proc/sys/kernel/random/boot_id; } # which boot those seconds are of

take_lock() { # take_lock FILE SECONDS CODE: or says who has it and ends with CODE
  while :; do
    exec 9>>"$1"
    if ! flock -w "$2" 9; then break; fi
    # Who had it may have removed it, and then it locks nothing any more.
    if [ "$(stat -Lc %d:%i -- "$1" 2>/dev/null)" = "$(stat -Lc %d:%i /dev/fd/9)" ]; then return 0; fi
  done
  i=$(stat -c %i -- "$1") holder=''
  while read -r _ _ _ _ pid file _; do
    case $file in *:"$i") holder=$pid ;; esac
  done </proc/locks
  echo "another change has held $1 for $2 s${holder:+ (process $holder: $(tr '\0' ' ' <"/proc/$holder/cmdline" 2>/dev/null))}" >&2
  exit "$3"
}

file() { # file PATH MODE OWNER:GROUP BYTES: the content follows on standard input
  t=$(mktemp -- "${1%/*}/.${1##*/}.XXXXXXXX")
  own "$t" "$3"
  chmod -- "$2" "$t"
  # Where there is no room, the words for it come from head itself.
  if ! head -c "$4" >"$t" || ! sync -d -- "$t"; then
    rm -f -- "$t"
    exit 74
  fi
  if [ "$(stat -c %s -- "$t")" != "$4" ]; then
    rm -f -- "$t"
    echo "the contents of $1 were cut off on the way" >&2
    exit 74
  fi
  mv -fT -- "$t" "$1"
}

attributes() { # attributes PATH MODE OWNER:GROUP
  own "$1" "$3"
  chmod -- "$2" "$1"
}

still() { # still LINK TARGET: or says what has changed
  now=$(readlink -- "$1") || now=''
  if [ "$now" = "$2" ]; then return; fi
  echo "$1 has changed meanwhile: it points to ${now:-nothing}, and no more to ${2:-nothing}; nothing was changed" >&2
  exit 89
}

enlist() { # enlist FILE ID WHY: a line more, unless it has one for ID
  if [ -f "$1" ] && cut -f 1 -- "$1" | grep -qxF -- "$2"; then return; fi
  t=$(mktemp -- "${1%/*}/.${1##*/}.XXXXXXXX")
  chmod -- 0644 "$t"
  line=$(printf '%s\t%s\t%s' "$2" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$3")
  if ! { { [ ! -f "$1" ] || cat -- "$1"; } && printf '%s\n' "$line"; } >"$t" || ! sync -d -- "$t"; then
    rm -f -- "$t"
    exit 74
  fi
  mv -fT -- "$t" "$1"
}

others() { # others ID...: of the lines it reads, those of others
  while IFS= read -r line || [ -n "$line" ]; do
    stays=yes
    for k do if [ "${line%%	*}" = "$k" ]; then stays=no; fi; done
    if [ "$stays" = yes ]; then printf '%s\n' "$line" || return 1; fi
  done
}

delist() { # delist FILE ID...: the lines of these go, and those that others have added meanwhile stay
  f=$1
  shift
  if [ ! -f "$f" ]; then return 0; fi
  t=$(mktemp -- "${f%/*}/.${f##*/}.XXXXXXXX")
  chmod -- 0644 "$t"
  if ! others "$@" <"$f" >"$t" || ! sync -d -- "$t"; then
    rm -f -- "$t"
    exit 74
  fi
  if [ -s "$t" ]; then mv -fT -- "$t" "$f"; else rm -f -- "$t" "$f"; fi
}

remove_if_last() { # remove_if_last FOLDER NAME...: the named files and the folder, if nothing else is in it
  d=$1
  shift
  left=$(
    set +f
    for e in "$d"/* "$d"/.[!.]*; do
      if [ ! -e "$e" ] && [ ! -L "$e" ]; then continue; fi
      known=no
      for k do if [ "$e" = "$d/$k" ]; then known=yes; fi; done
      if [ "$known" = no ]; then echo left; fi
    done
  )
  if [ -n "$left" ]; then return 0; fi
  for k do rm -f -- "$d/$k"; done
  rmdir -- "$d"
}

remove_lock() { # remove_lock FILE: and its folder, if nothing else is in it; it stays locked until the script ends
  rm -f -- "$1"
  rmdir --ignore-fail-on-non-empty -- "${1%/*}"
}

commit() { # commit SECONDS: waits until the sender says that it is still there, and no longer, for we hold the lock
  echo "$ready"
  # read leaves what follows the line; the lock is not its to hold.
  # shellcheck disable=SC2016
  word=$(timeout "$1" sh -c 'read -r word && echo "$word"' 9>&-) || {
    echo "stopped before the switch: the sender is gone, or has said nothing for $1 s" >&2
    exit 75
  }
  if [ "$word" != "$go" ]; then
    echo "stopped before the switch" >&2
    exit 75
  fi
}
