# Accounts in a folder that stands for a host: the entries as useradd would write them. The system's own tools would
# need root, or change this machine. `etc` is the folder's /etc.
: "${etc:?}"

without() { # without FILE NAME: its lines but that account's
  if [ ! -f "$1" ]; then return 0; fi
  while IFS= read -r l || [ -n "$l" ]; do
    case $l in "$2":*) ;; *) printf '%s\n' "$l" ;; esac
  done <"$1"
}

taken() { # taken NUMBER
  for f in "$etc/passwd" "$etc/group"; do
    if [ -f "$f" ] && grep -q "^[^:]*:[^:]*:$1:" "$f"; then return 0; fi
  done
  return 1
}

rewrite() { # rewrite FILE: with standard input
  cat >"$1.new"
  chmod 0644 -- "$1.new"
  mv -fT -- "$1.new" "$1"
}

add_account() { # add_account NAME HOME SHELL COMMENT GROUPS
  mkdir -p -- "$etc"
  u=999
  while taken "$u"; do
    u=$((u - 1))
    if [ "$u" -lt 100 ]; then
      echo "no free system account number" >&2
      exit 1
    fi
  done
  { without "$etc/group" "$1"; printf '%s:x:%s:\n' "$1" "$u"; } | rewrite "$etc/group"
  { without "$etc/passwd" "$1"; printf '%s:x:%s:%s:%s:%s:%s\n' "$1" "$u" "$u" "$4" "$2" "$3"; } | rewrite "$etc/passwd"
}

change_account() { # change_account NAME HOME SHELL GROUPS
  o=$(grep "^$1:" "$etc/passwd")
  IFS=: read -r _ _ u g c _ _ <<E
$o
E
  { without "$etc/passwd" "$1"; printf '%s:x:%s:%s:%s:%s:%s\n' "$1" "$u" "$g" "$c" "$2" "$3"; } | rewrite "$etc/passwd"
}

remove_account() { # remove_account NAME
  without "$etc/passwd" "$1" | rewrite "$etc/passwd"
  without "$etc/group" "$1" | rewrite "$etc/group"
}
