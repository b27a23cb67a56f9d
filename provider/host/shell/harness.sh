# Harnesses of a host: see provider/host/harness-steps.ts. Comes after steps.sh and units.sh. Needs $harnesses, the folder of all of
# them, and $building, the text of build-harness.sh. In the folder are
#   <id>/                   a virtualenv; its .installed was written last, and nothing in it changes after that
#   .<id>.staged/           one that is being built, .<id>.replaced/ one that is being taken away
#   wheels/<sha256>.<name>  wheels that were carried over, while a harness has use for them
#   record                  whom they are for, a line each:
#                             wanted ID HOUSE BY   BY's program wants it for HOUSE
#                             left ID HOUSE -      nobody does any more, but releases of HOUSE may still run with it
: "${harnesses:?}" "${building:?}"
# In memory: an address with a password in it gets onto no disk.
scratch=/run/wizard-harness

wheel() { # wheel NAME SHA256 BYTES: the content follows on standard input
  if [ ! -d "$harnesses/wheels" ]; then mkdir -m 0700 -- "$harnesses/wheels"; fi
  t=$(mktemp -- "$harnesses/wheels/.XXXXXXXX")
  if ! head -c "$3" >"$t"; then
    rm -f -- "$t"
    exit 74
  fi
  s=$(sha256sum <"$t")
  if [ "${s%% *}" != "$2" ]; then
    rm -f -- "$t"
    echo "the wheel $1 was cut off or changed on the way" >&2
    exit 74
  fi
  mv -fT -- "$t" "$harnesses/wheels/$2.$1"
}

build_harness() { # build_harness ID PYTHON LOCK CONFIGURATION FROM [WHEEL...]: bytes of both, which follow on standard input
  id=$1 place=$harnesses/$1 staged=$harnesses/.$1.staged python=$2
  rm -rf -- "$scratch"
  mkdir -m 0700 -- "$scratch" "$scratch/wheels"
  trap 'rm -rf -- "$scratch"' EXIT
  head -c "$3" >"$scratch/lock"
  head -c "$4" >"$scratch/pip.conf"
  from=$5
  shift 5
  for w do ln -s -- "$harnesses/wheels/$w" "$scratch/wheels/${w#*.}"; done
  rm -rf --one-file-system -- "$staged"
  mkdir -m 0755 -- "$staged"
  # Where it is mounted; what stands there and is no folder is nothing of ours.
  if [ -L "$place" ] || [ ! -d "$place" ]; then
    rm -f -- "$place"
    mkdir -m 0755 -- "$place"
  fi
  if ! unshare --mount -- /bin/sh -c "$building" sh "$place" "$staged" "$scratch" "$from" "$python" \
    >"$scratch/log" 2>&1 </dev/null 9>&-; then
    {
      echo "the harness $id cannot be installed"
      # Without the names and passwords in addresses.
      tail -n 12 -- "$scratch/log" | sed 's,//[^/@[:space:]]*@,//(hidden)@,g'
    } >&2
    rm -rf --one-file-system -- "$staged"
    rmdir --ignore-fail-on-non-empty -- "$place"
    spoilt_wheels "$@"
    exit 87
  fi
  printf 'python %s\n' "$(readlink -e -- "$staged/bin/python")" >"$staged/.installed"
  sync -f -- "$staged"
}

spoilt_wheels() { # spoilt_wheels WHEEL...: those that are not what they were any more go, so that they are sent anew
  for w do
    s=$(sha256sum <"$harnesses/wheels/$w") || :
    if [ "${s%% *}" != "${w%%.*}" ]; then rm -f -- "$harnesses/wheels/$w"; fi
  done
}

# What runs on what stood there has read the half of it, and may have read what somebody has changed.
mark_users() { # mark_users PLACE: gateways that must be started anew
  systemctl list-units --type=service --plain --no-legend --full 'hermes-*' </dev/null 9>&- |
    while read -r u _; do
      p=$(systemctl show --property=MainPID --value -- "$u" </dev/null 9>&-)
      if tr '\0' '\n' 2>/dev/null <"/proc/$p/environ" | grep -Fxq "VIRTUAL_ENV=$1"; then mark_restart "$u"; fi
    done
}

place_harness() { # place_harness ID
  rm -rf --one-file-system -- "$harnesses/.$1.replaced"
  if ! rmdir -- "$harnesses/$1" 2>/dev/null; then mv -T -- "$harnesses/$1" "$harnesses/.$1.replaced"; fi
  mark_users "$harnesses/$1"
  mv -T -- "$harnesses/.$1.staged" "$harnesses/$1"
  # From here on it counts, and every change in it shows.
  touch -- "$harnesses/$1/.installed"
}

recorded() { if [ -f "$harnesses/record" ]; then cat -- "$harnesses/record"; fi; }

record() { # what is to be the record comes on standard input
  umask 022
  sort -u >"$harnesses/record.new"
  sync -d -- "$harnesses/record.new"
  mv -fT -- "$harnesses/record.new" "$harnesses/record"
}

want_harness() { # want_harness ID BY [HOUSE...]: BY wants it for these houses and no others
  id=$1 by=$2
  shift 2
  {
    recorded | while read -r what which house whose; do
      if [ "$what $which $whose" = "wanted $id $by" ]; then echo "left $id $house -"; else echo "$what $which $house $whose"; fi
    done
    for house do echo "wanted $id $house $by"; done
  } | (record)
}

runs_with() { # runs_with HOUSE ID: whether any release of it does
  (
    set +f
    for l in "$1"/releases/*/harness "$1"/releases/.*.staged/harness; do
      if [ "$(readlink -- "$l")" = "$harnesses/$2" ]; then exit 0; fi
    done
    exit 1
  )
}

prune_harnesses() { # takes away what nobody wants and no release runs with
  if [ ! -f "$harnesses/record" ]; then return; fi
  recorded | while read -r what id house whose; do
    # Wanted again, it is not left any more.
    if [ "$what" = left ] && recorded | grep -Fq "wanted $id $house "; then continue; fi
    if [ "$what" = wanted ] || runs_with "$house" "$id"; then echo "$what $id $house $whose"; fi
  done | (record)
  (
    set +f
    for d in "$harnesses"/[0-9]* "$harnesses"/.[0-9]*; do
      id=${d##*/}
      # Other names are others'.
      if ! printf '%s\n' "$id" | grep -Exq '\.?[0-9]+\.[0-9]+\.[0-9]+-[0-9a-f]{12}(\.staged|\.replaced)?'; then continue; fi
      if ! grep -q " $id " "$harnesses/record"; then rm -rf --one-file-system -- "$d"; fi
    done
    rm -f -- "$harnesses"/wheels/.[!.]*
    for w in "$harnesses"/wheels/*; do
      s=${w##*/}
      if [ -f "$w" ] && ! grep -qs "sha256:${s%%.*}" "$harnesses"/*/requirements.lock; then rm -f -- "$w"; fi
    done
  )
  if [ -s "$harnesses/record" ]; then return; fi
  rm -f -- "$harnesses/record"
  if [ -d "$harnesses/wheels" ]; then rmdir -- "$harnesses/wheels"; fi
}

# For a plan that holds another lock. Whoever has this one prunes when he is done.
prune_harnesses_aside() {
  if [ ! -f "$harnesses/record" ]; then return; fi
  (
    take_lock "$harnesses/.lock" 1 0 2>/dev/null
    prune_harnesses
    if [ ! -f "$harnesses/record" ]; then remove_lock "$harnesses/.lock"; fi
  )
}
