# Another content for a folder of a house: see provider/host/restore.ts. Comes after steps.sh.
: "${owners:?}"

unpack() { # unpack FOLDER BYTES SECONDS USER COMMAND...: with the next BYTES of standard input
  d=$1 b=$2 s=$3 u=$4
  shift 4
  if [ "$owners" = no ]; then
    said=$(head -c "$b" | timeout -k 5 "$s" "$@" 2>&1 9>&-) && c=0 || c=$?
  else
    # Not as_account, which lets nothing in.
    said=$(head -c "$b" | timeout -k 5 "$s" setpriv --reuid="$u" --regid="$u" --clear-groups --no-new-privs --reset-env \
      "$@" 2>&1 9>&-) && c=0 || c=$?
  fi
  if [ "$c" -eq 0 ] && sync -f -- "$d"; then return 0; fi
  rm -rf --one-file-system -- "$d"
  case $c in 124 | 137) said="it was not done within $s s" ;; esac
  printf '%s\n' "${said:-the archive could not be unpacked, and nothing says why}" >&2
  exit 87
}

identity() { stat -c %d:%i -- "$1"; } # identity FOLDER: what stays the same when it is renamed

swap() { # swap ONE OTHER PYTHON
  "$3" -I -S -B -c 'import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
# AT_FDCWD, RENAME_EXCHANGE
if libc.renameat2(-100, os.fsencode(sys.argv[1]), -100, os.fsencode(sys.argv[2]), 2) != 0:
    sys.exit(f"{sys.argv[1]} and {sys.argv[2]} cannot change places: {os.strerror(ctypes.get_errno())}")' "$1" "$2" \
    </dev/null 9>&-
  sync -- "${1%/*}" "${2%/*}"
}

exchange() { # exchange HOUSE PATH OTHER PYTHON
  identity "$2" >"$1/pending/was"
  sync -- "$1/pending/was" "$1/pending"
  swap "$2" "$3" "$4"
}

exchange_back() { # exchange_back HOUSE PATH OTHER PYTHON: unless it is as it was
  if [ ! -s "$1/pending/was" ]; then return 0; fi
  if [ "$(identity "$2")" != "$(cat "$1/pending/was")" ]; then swap "$2" "$3" "$4"; fi
}
