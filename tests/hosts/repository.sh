#!/bin/sh
# Makes a package repository in /srv/repo and the machine's only source. Runs as root on a test machine.
set -eu
repo=/srv/repo
mkdir -p "$repo"

deb() { # deb NAME VERSION [FIELD...]: with the script on standard input as its postinst, if there is any
  d=$(mktemp -d)
  mkdir -p "$d/DEBIAN" "$d/usr/share/$1"
  chmod -R 755 "$d"
  echo "$2" >"$d/usr/share/$1/version"
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: test\n' "$1" "$2" >"$d/DEBIAN/control"
  n=$1 v=$2
  shift 2
  for field do echo "$field" >>"$d/DEBIAN/control"; done
  cat >"$d/DEBIAN/postinst"
  if [ -s "$d/DEBIAN/postinst" ]; then chmod 755 "$d/DEBIAN/postinst"; else rm "$d/DEBIAN/postinst"; fi
  dpkg-deb --root-owner-group -b "$d" "$repo/${n}_$v.deb" >/dev/null
  rm -r "$d"
}

index() {
  cd "$repo"
  for f in *.deb; do
    dpkg-deb -f "$f"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$f" "$(stat -c %s "$f")" "$(sha256sum "$f" | cut -d ' ' -f 1)"
  done >Packages
}

deb tool 1.0-1 'Depends: tool-data' </dev/null
deb tool 1:2.0-1 'Depends: tool-data' </dev/null
deb tool-data 1.0 </dev/null
deb plain 1.0 </dev/null
deb other 1.0 'Depends: tool-data' </dev/null
deb rival 1.0 'Conflicts: other' </dev/null
deb mail-a 1.0 'Provides: mailer' </dev/null
deb mail-b 1.0 'Provides: mailer' </dev/null
deb broken 1.0 <<'END'
#!/bin/sh
echo 'the configuration is missing' >&2
exit 3
END
deb slow 1.0 <<'END'
#!/bin/sh
[ -e /run/not-slow ] || sleep 60
sleep 300 &
END
index
echo "deb [trusted=yes] copy:$repo ./" >/etc/apt/sources.list
