# Tells which of the harnesses "$@" are on a host and how: see provider/host/harness-facts.ts for the fields and their
# parser. Needs $harnesses, the folder of all of them.
#
# A harness is whole while nothing in it is newer than its mark, which was written last. What is compared is the time of the
# last change of any kind, which no program can set.
: "${harnesses:?}"
recorded=''
if [ -f "$harnesses/record" ] && [ ! -L "$harnesses/record" ]; then recorded=$(head -c 65537 -- "$harnesses/record") || recorded='?'
elif [ -e "$harnesses/record" ] || [ -L "$harnesses/record" ]; then recorded='?'
fi
printf 'harnesses\0%s\0%s\0' "$(uname -m)" "$recorded"
wheels=''
if [ -d "$harnesses/wheels" ]; then wheels=$(cd "$harnesses/wheels" && for w in *.whl; do echo "$w"; done); fi
printf '%s\0' "$wheels"
for id do
  d=$harnesses/$id mark=$harnesses/$id/.installed
  if [ ! -e "$d" ] && [ ! -L "$d" ]; then printf 'absent\0'
  elif [ -L "$d" ] || [ ! -f "$mark" ] || [ -L "$mark" ]; then printf 'half\0'
  else
    python=$(sed -n 's/^python //p' "$mark")
    if [ ! -x "$python" ]; then printf 'changed %s\0' "$python"
    elif ! newer=$(find "$d" -xdev ! -path "$mark" -cnewer "$mark" -print -quit 2>/dev/null); then printf 'unreadable\0'
    elif [ -n "$newer" ]; then printf 'changed %s\0' "$newer"
    else printf 'whole\0'
    fi
  fi
done
