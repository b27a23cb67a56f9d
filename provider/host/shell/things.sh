# What can be done to a folder, file or link, by root or, through `as_user`, by a house's account: see
# provider/host/steps.ts. Needs $owners: yes, or no where owners cannot be set.
set -euf
: "${owners:?}"
LC_ALL=C; export LC_ALL
umask 077

own() { if [ "$owners" = yes ]; then chown -h -- "$2" "$1"; fi; }

folder() { # folder PATH MODE OWNER:GROUP
  if [ ! -d "$1" ] || [ -L "$1" ]; then mkdir -- "$1"; fi
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

remove() { rm -f -- "$1"; } # remove PATH: a file or link

remove_if_empty() { # remove_if_empty FOLDER
  if [ -d "$1" ] && [ ! -L "$1" ]; then rmdir --ignore-fail-on-non-empty -- "$1"; fi
}
