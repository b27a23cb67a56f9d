# Runs one script after another, each in a shell of its own: see provider/host/shell-process.ts, which sends what is read
# here and joins these lines into one. That one is an argument of whatever login shell a host has, so there is no single
# quote and no exclamation mark in it. Its own arguments are options of timeout.
#
# First comes a key, then for each script a line with the key, the script's length, the seconds after which it is ended
# even if nobody is there any more, and a word to mark its output with; then the script and what it reads. A line
# without the key is what a script has left unread: it is not run.
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH;
printf "\0ready\n";
read -r k;
while read -r l n s t; do
[ "$l" = "$k" ] || exit 1;
printf "\0%s\n" "$t"; printf "\0%s\n" "$t" >&2;
timeout "$@" -k 5 "$s" sh -c "eval \"\$(head -c $n)\""; c=$?;
printf "\0%s %s\n" "$t" "$c"; printf "\0%s %s\n" "$t" "$c" >&2;
done
