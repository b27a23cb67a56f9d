# The steps of a plan as shell functions: see provider/host/steps.ts, which calls them and sets
#   owners  yes, or no where owners cannot be set
#   ready   what is printed before the switch, go: the word that is waited for then
set -euf
: "${owners:?}" "${ready:?}" "${go:?}"
LC_ALL=C; export LC_ALL
umask 077

own() { if [ "$owners" = yes ]; then chown -h -- "$2" "$1"; fi; }

folder() { # folder PATH MODE OWNER:GROUP
  if [ ! -d "$1" ] || [ -L "$1" ]; then mkdir -- "$1"; fi
  own "$1" "$3"
  chmod -- "$2" "$1"
}

file() { # file PATH MODE OWNER:GROUP BYTES: the content follows on standard input
  t=$(mktemp -- "${1%/*}/.${1##*/}.XXXXXXXX")
  own "$t" "$3"
  chmod -- "$2" "$t"
  head -c "$4" >"$t"
  if [ "$(stat -c %s -- "$t")" != "$4" ]; then
    rm -f -- "$t"
    echo "the contents of $1 were cut off on the way" >&2
    exit 74
  fi
  sync -d -- "$t"
  mv -fT -- "$t" "$1"
}

attributes() { # attributes PATH MODE OWNER:GROUP
  own "$1" "$3"
  chmod -- "$2" "$1"
}

link() { # link PATH TARGET
  t=$(mktemp -u -- "${1%/*}/.${1##*/}.XXXXXXXX")
  ln -s -- "$2" "$t"
  if ! mv -fT -- "$t" "$1"; then
    rm -f -- "$t"
    return 1
  fi
}

displace() { # displace PATH KEEP NAME: to KEEP/NAME, or KEEP/NAME.1 … if that is taken
  if [ ! -d "$2" ]; then mkdir -p -- "$2"; fi
  k=$2/$3 n=1
  while [ -e "$k" ] || [ -L "$k" ]; do k=$2/$3.$n n=$((n + 1)); done
  mv -T -- "$1" "$k"
}

restore() { # restore PATH KEEP NAME: if it was displaced and its place is free
  if [ -e "$2/$3" ] || [ -L "$2/$3" ]; then
    if [ ! -e "$1" ] && [ ! -L "$1" ]; then mv -T -- "$2/$3" "$1"; fi
  fi
}

remove_if_empty() { # remove_if_empty FOLDER
  if [ -d "$1" ] && [ ! -L "$1" ]; then rmdir --ignore-fail-on-non-empty -- "$1"; fi
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

commit() { # waits until the sender says that it is still there
  echo "$ready"
  read -r word || {
    echo "stopped before the switch: the sender is gone" >&2
    exit 75
  }
  if [ "$word" != "$go" ]; then
    echo "stopped before the switch" >&2
    exit 75
  fi
}
