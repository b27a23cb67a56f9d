# Tells which of the packages "$@" are there and what stands in the record $record: see provider/host/package-facts.ts
# for the fields and their parser.
: "${record:?}"
code=127 listed='' recorded=''
if command -v dpkg-query >/dev/null; then
  # shellcheck disable=SC2016 # fields of dpkg-query's
  f='${Package} ${Architecture} ${db:Status-Want} ${db:Status-Status} ${Version}\n'
  code=0
  # The host's own architecture is that of its dpkg.
  listed=$(dpkg-query -W -f "$f" -- dpkg "$@" 2>/dev/null) || code=$?
fi
if [ -f "$record" ] && [ ! -L "$record" ]; then recorded=$(head -c 65537 -- "$record") || recorded='?'
elif [ -e "$record" ] || [ -L "$record" ]; then recorded='?'
fi
printf 'packages\0%s\0%s\0%s\0' "$code" "$listed" "$recorded"
