# Packages of a Debian host, by its own apt and dpkg: see provider/host/package-steps.ts. Needs
#   record   the file that says what of them is ours, one note a line:
#              installed NAME FOR   it was not there; FOR wants it
#              held NAME FOR        it was not on hold; FOR wants it to be
#              dependency NAME      it came along with one of ours
: "${record:?}"
log=$(mktemp)
trap 'rm -f -- "$log"' EXIT

give_up() { # give_up WORDS: ends the script
  printf '%s\n' "$1" >&2
  exit 88
}

# --- apt and dpkg -----------------------------------------------------------------------------------------------

patience() { limit=$1 end=$(($(seconds) + $1)); } # patience SECONDS: how long locks of others are waited for

# Runs a command of apt's or dpkg's; its words then stand in $log. Locks of others are waited for here, because apt
# itself waits for some of them only. Our own is closed: a daemon that a package starts must not hold on to it.
patiently() { # patiently COMMAND...
  until (umask 022; exec "$@") >"$log" 2>&1 </dev/null 9>&-; do
    grep -qE '^E: (Could not get lock|Unable to acquire)|^dpkg: error: .* locked by another process' "$log" || return 1
    if [ "$(seconds)" -ge "$end" ]; then
      give_up "apt and dpkg have been in use by $(holder) for $limit s: wait until that is done, then try again"
    fi
    sleep 1
  done
}

holder() { # who has the lock, as far as the words in $log tell
  p=$(sed -n -e 's/.*held by process \([0-9]\{1,9\}\).*/\1/p' -e 's/.*another process with pid \([0-9]\{1,9\}\).*/\1/p' "$log" | tail -n 1)
  if [ -n "$p" ]; then echo "process $p ($(cat "/proc/$p/comm" 2>/dev/null || echo gone by now))"; else echo "another process"; fi
}

apt_get() { # apt_get ARGUMENT...: asks nobody anything, and restarts no service that merely uses a new library
  set -- env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 NEEDRESTART_MODE=l apt-get -q -y \
    -o DPkg::Lock::Timeout="$limit" -o Dpkg::Options::=--force-confold \
    -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@"
  if patiently "$@"; then return 0; fi
  # A dpkg that was killed in the middle has to finish first.
  grep -q '^E: dpkg was interrupted' "$log" || return 1
  patiently env DEBIAN_FRONTEND=noninteractive dpkg --force-confold --configure -a && patiently "$@"
}

# Removes nothing for the sake of what is wanted, and moves nothing else that is on hold.
apt_install() { # apt_install ARGUMENT...
  apt_get install --no-install-recommends --allow-downgrades --allow-change-held-packages --no-remove "$@"
}

complaints() { # what stands in $log, without apt's talk
  keep=no
  while IFS= read -r l; do
    case $l in
      'E: '* | *'have unmet dependencies:' | *'will be REMOVED:') keep=yes ;;
      ' '*) ;;
      *) keep=no ;;
    esac
    if [ "$keep" = yes ]; then printf '%s\n' "$l"; fi
  done <"$log"
}

last_words() { # the end of $log, as it would look without a terminal
  tr -d '\r' <"$log" | grep -v '^(Reading database' | tail -n 8
}

# --- what there is ----------------------------------------------------------------------------------------------

of_dpkg() { # of_dpkg FIELD NAME...: a line "VALUE NAME" for each that dpkg knows
  f=$1
  shift
  if [ $# -gt 0 ]; then dpkg-query -W -f "\${$f} \${Package}\\n" -- "$@" 2>/dev/null || :; fi
}

there() { # there NAME...: those that are, be it half
  of_dpkg db:Status-Status "$@" | sed -e '/^not-installed /d' -e '/^config-files /d' -e 's/^[^ ]* //'
}

on_hold() { # on_hold NAME...: those that are
  of_dpkg db:Status-Want "$@" | sed -n 's/^hold //p'
}

offers() { # offers NAME...: a line "VERSION NAME" for each the package lists have or the host has already
  apt-cache madison -- "$@" 2>/dev/null | sed -n 's/^ *\([^ |]*\) *| *\([^ |]*\) *|.* Packages$/\2 \1/p'
  # shellcheck disable=SC2046 # names
  of_dpkg Version $(there "$@")
}

lacking() { # lacking NAME|NAME=VERSION...: a line for each that cannot be had
  # shellcheck disable=SC2046 # names
  had=$(offers $(for p do echo "${p%%=*}"; done))
  for p do
    n=${p%%=*}
    versions=$(printf '%s\n' "$had" | while read -r v of; do if [ "$of" = "$n" ]; then echo "$v"; fi; done | sort -Vru)
    if [ -z "$versions" ]; then
      makers=$(apt-cache showpkg -- "$n" 2>/dev/null | sed -e '1,/^Reverse Provides:/d' -e 's/ .*//' | sort -u | head -n 10 | one_line)
      echo "no package source of this host has $n${makers:+: it is a virtual package, name one that provides it (${makers% })}"
    elif [ "$p" != "$n" ] && ! printf '%s\n' "$versions" | grep -qxF -- "${p#*=}"; then
      versions=$(printf '%s\n' "$versions" | head -n 10 | one_line)
      echo "$n is not to be had here in version ${p#*=}; there is ${versions% }"
    fi
  done
}

need() { # need NAME|NAME=VERSION...: the package lists are fetched only where they do not have it
  if [ -z "$(lacking "$@")" ]; then return 0; fi
  stale=''
  if ! apt_get update -o APT::Update::Error-Mode=any; then stale="
The package lists could not be fetched: $(complaints | head -n 1)"; fi
  lacks=$(lacking "$@")
  if [ -n "$lacks" ]; then give_up "$lacks$stale"; fi
}

# --- the record -------------------------------------------------------------------------------------------------

notes() { if [ -f "$record" ]; then cat -- "$record"; fi; }

write_notes() { # with standard input; where there is nothing to note there is no file
  t=$(mktemp -- "$record.XXXXXXXX")
  sed '/^$/d' | sort -u >"$t"
  if [ ! -s "$t" ]; then rm -f -- "$t" "$record"; return 0; fi
  chmod 0644 -- "$t"
  sync -d -- "$t"
  mv -fT -- "$t" "$record"
}

notes_for() { for n do echo "$what $n $whom"; done; } # notes_for NAME...: with $what, for $whom

names_in() { sed -n "s/^$1 \\([^ ]*\\).*/\\1/p"; } # names_in WHAT: in the notes on standard input

one_line() { tr '\n' ' '; }

but() { # but WORDS: the lines of standard input that are none of the words
  while read -r w; do case " $1 " in *" $w "*) ;; *) echo "$w" ;; esac done
}

among() { # among WORDS: the lines of standard input that are one of the words
  while read -r w; do case " $1 " in *" $w "*) echo "$w" ;; esac done
}

# --- steps ------------------------------------------------------------------------------------------------------

install_packages() { # install_packages FOR SECONDS NAME|NAME=VERSION...
  whom=$1
  patience "$2"
  shift 2
  need "$@"
  apt_install --simulate "$@" || give_up "apt cannot install $*
$(complaints)"
  asked=$(for p do echo "${p%%=*}"; done | one_line)
  new=$(sed -n 's/^Inst \([^ :]*\) (.*/\1/p' "$log")
  # Noted beforehand: what a crash leaves half installed is ours too.
  {
    notes
    for n in $new; do
      case " $asked " in *" $n "*) echo "installed $n $whom" ;; *) echo "dependency $n" ;; esac
    done
  } | write_notes
  apt_install "$@" || give_up "apt failed to install $*
$(last_words)"
}

hold_packages() { # hold_packages SECONDS NAME...
  patience "$1"
  shift
  patiently apt-mark hold "$@" || give_up "apt-mark could not put $* on hold
$(complaints)"
}

release_holds() { # release_holds NAME...: where there are any
  held=$(on_hold "$@")
  # shellcheck disable=SC2086 # names
  if [ -n "$held" ]; then patiently apt-mark unhold $held || give_up "apt-mark could not release the hold on $*
$(complaints)"; fi
}

unhold_packages() { # unhold_packages FOR SECONDS NAME...
  whom=$1 what=held
  patience "$2"
  shift 2
  release_holds "$@"
  { notes | grep -vxF -- "$(notes_for "$@")" || :; } | write_notes
}

claim_packages() { # claim_packages WHAT FOR NAME...
  what=$1 whom=$2
  shift 2
  { notes; notes_for "$@"; } | write_notes
}

# What nobody of ours wants any more goes, and what came along with it, but nothing that something else depends on and
# nothing that an administrator has installed by name since.
give_back_packages() { # give_back_packages FOR SECONDS NAME...
  whom=$1
  patience "$2"
  shift 2
  what=held
  unheld=$(notes | grep -xF -- "$(notes_for "$@")" || :)
  what=installed
  ceded=$(notes | grep -xF -- "$(notes_for "$@")" || :)
  given=$(printf '%s\n' "$ceded" | names_in installed)
  left=$(
    notes | grep -vxF -- "$unheld
$ceded" || :
    for n in $given; do echo "dependency $n"; done
  )
  # shellcheck disable=SC2046 # names
  release_holds $(printf '%s\n' "$unheld" | names_in held | but "$(printf '%s\n' "$left" | names_in held | one_line)")
  wanted=$(printf '%s\n' "$left" | names_in installed | one_line)
  # shellcheck disable=SC2046 # names
  set -- $(there $(printf '%s\n' "$given" | but "$wanted"))
  if [ $# -gt 0 ]; then patiently apt-mark auto "$@" || give_up "apt-mark failed
$(complaints)"; fi
  auto=$(apt-mark showauto | one_line)
  # shellcheck disable=SC2046 # names
  set -- $(there $(printf '%s\n' "$left" | names_in dependency | but "$wanted") | among "$auto")
  if [ $# -gt 0 ]; then remove_unneeded "$@"; fi
  # shellcheck disable=SC2046 # names
  came=$(there $(printf '%s\n' "$left" | names_in dependency) | among "$auto")
  {
    printf '%s\n' "$left" | grep -v '^dependency ' || :
    for n in $came; do echo "dependency $n"; done
  } | write_notes
}

remove_unneeded() { # remove_unneeded NAME...: those on which nothing else depends
  code=0
  dpkg --simulate --remove -- "$@" >"$log" 2>&1 || code=$?
  # 1 says that some of them are needed.
  if [ "$code" -gt 1 ]; then give_up "dpkg cannot say what depends on $*
$(last_words)"; fi
  # shellcheck disable=SC2046 # names
  set -- $(sed -n 's/^Would remove or purge \([^ :]*\).*/\1/p' "$log")
  if [ $# -eq 0 ]; then return 0; fi
  apt_get remove --no-auto-remove "$@" || give_up "apt failed to remove $*
$(last_words)"
}
