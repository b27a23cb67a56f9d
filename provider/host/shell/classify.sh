# Tells what stands at each of "$1", "$2" …: see provider/host/facts.ts for the records and their parser.
#
# Classifies with built-ins only, because a process per path would cost more than everything else together. The lists
# hold references such as "${12}" (positional parameter 12) and never the paths themselves. Only the first $hashed of
# them are opened.
: "${hashed:?}"
there='' links='' files='' i=0
for p do
  i=$((i + 1))
  if [ -L "$p" ]; then
    there="$there \"\${$i}\"" links="$links \"\${$i}\""
  elif [ -e "$p" ]; then
    there="$there \"\${$i}\""
    if [ "$i" -le "$hashed" ] && [ -f "$p" ]; then files="$files \"\${$i}\""; fi
  else
    # Absent is proven only by a folder above that can be entered.
    a=${p%/*}
    while [ -n "$a" ] && [ ! -e "$a" ] && [ ! -L "$a" ]; do a=${a%/*}; done
    if [ -z "$a" ]; then a=/; fi
    if [ ! -d "$a" ] && [ "$i" -gt "$hashed" ]; then printf 'absent\0%s\0' "$p"
    elif [ ! -d "$a" ]; then printf 'unreadable %s is not a folder\0%s\0' "$a" "$p"
    elif [ ! -x "$a" ]; then printf 'unreadable no permission to enter %s\0%s\0' "$a" "$p"
    else printf 'absent\0%s\0' "$p"
    fi
  fi
done
printf 'stat\0'
if [ -n "$there" ]; then eval "stat --printf '%f %U %G %s\\0%n\\0' -- $there" 2>/dev/null || :; fi
printf 'links\0'
if [ -n "$links" ]; then
  eval "printf '%s\\0' $links"
  printf 'targets\0'
  eval "readlink -z -- $links" || :
fi
printf 'digests\0'
if [ -n "$files" ]; then eval "sha256sum -z -- $files" 2>/dev/null || :; fi
