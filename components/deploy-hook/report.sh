#!/bin/sh
# Last step of a run, whatever came of it: one line in the journal, and the commit's status at the forge. The account of
# its token may set a status and cannot push to the branch.
#
# Environment: FORGE_KIND, STATUS_URL, STACK, CREDENTIALS_DIRECTORY. Exit codes: 0, or 1 where the forge was not told.
# shellcheck source=components/deploy-hook/story.sh
. "${0%/*}/story.sh"

run='' commit=- state=failed message="it did not begin"
# In the order of the steps: the last one that has something to say about this run is where it ended.
for step in forge build converge; do
  read -r its_run its_commit its_state its_message <"/run/deploy-$step/outcome" || continue
  [ -n "$run" ] || run=$its_run
  [ "$its_run" = "$run" ] || continue
  commit=$its_commit state=$its_state message=$its_message
done 2>/dev/null
level=info word=success
[ "$state" = passed ] || level=err word=failure

say "$level" "$(printf '%.10s' "$commit"): $message"
[ "$commit" != - ] || exit 0
file=${CREDENTIALS_DIRECTORY:-}/deploy-forge-status
[ -e "$file" ] || {
  say warning "the forge is not told: /etc/credstore/deploy-forge-status is missing"
  exit 1
}
IFS= read -r token <"$file" || [ -n "$token" ] || exit 1
case $FORGE_KIND in gitea) scheme=token ;; *) scheme=Bearer ;; esac
quoted=$(printable "$message" 140 | sed 's/[\\"]/\\&/g')
# The token is in no command line: curl reads its headers from standard input.
printf 'Authorization: %s %s\nContent-Type: application/json\n' "$scheme" "$token" |
  curl --silent --show-error --fail --max-time 20 --retry 3 --retry-connrefused --output /dev/null --header @- \
    --data "{\"state\":\"$word\",\"context\":\"deploy/$STACK\",\"description\":\"$quoted\"}" -- "$STATUS_URL/$commit" || {
  say warning "the forge was not told about $(printf '%.10s' "$commit")"
  exit 1
}
