# Accounts on a real host, by the system's own tools.

add_account() { # add_account NAME HOME SHELL COMMENT GROUPS
  getent group "$1" >/dev/null || groupadd --system -- "$1"
  useradd --system --gid "$1" --home-dir "$2" --no-create-home --shell "$3" --comment "$4" ${5:+--groups "$5"} -- "$1"
}

change_account() { # change_account NAME HOME SHELL GROUPS
  usermod --home "$2" --shell "$3" --groups "$4" -- "$1"
}

remove_account() { # remove_account NAME
  userdel -- "$1"
  if getent group "$1" >/dev/null; then groupdel -- "$1"; fi
}
