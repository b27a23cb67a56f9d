#!/bin/sh
# Run by webhook for a delivery whose signature is right: decides whether it wakes a run. The delivery's content is used
# for nothing else; a run asks the forge itself.
#
# Environment: FORGE_REPOSITORY, FORGE_BRANCH and STATE_DIRECTORY of the unit; DELIVERY_EVENT, DELIVERY_REF,
# DELIVERY_REPOSITORY, DELIVERY_SIGNATURE of the delivery, each of which may be missing or hostile.
#
# Exit codes: 0 taken, or of no concern; 1 refused.
# shellcheck source=components/deploy-hook/story.sh
. "${0%/*}/story.sh"
umask 007

# A body and its signature are the same delivery, whatever its headers say; no clock is asked.
KEPT=5000
seen=$STATE_DIRECTORY/seen

event=$(printable "${DELIVERY_EVENT:-}" 40) ref=$(printable "${DELIVERY_REF:-}" 120)
repository=$(printable "${DELIVERY_REPOSITORY:-}" 120) signature=${DELIVERY_SIGNATURE:-}
signature=${signature#sha256=}
name=$(printable "$signature" 12)

ends() { # ends CODE LEVEL MESSAGE: the answer is the line in the journal
  say "$2" "delivery $name: $3"
  printf '%s\n' "$3"
  exit "$1"
}

case $signature in
  *[!0-9a-f]* | '') ends 1 warning "refused: its signature has another form" ;;
esac
[ "${#signature}" -eq 64 ] || ends 1 warning "refused: its signature has another form"
[ "$event" != ping ] || ends 0 info "pong"
[ "$event" = push ] || ends 0 info "ignored: a $event event, not a push"
[ "${DELIVERY_REPOSITORY:-}" = "$FORGE_REPOSITORY" ] ||
  ends 1 warning "refused: of repository $repository, not $FORGE_REPOSITORY"
[ "${DELIVERY_REF:-}" = "refs/heads/$FORGE_BRANCH" ] || ends 0 info "ignored: a push to $ref, not to $FORGE_BRANCH"
[ ! -e "$seen/$signature" ] || ends 1 warning "refused: it was here before"

{ mkdir -p -- "$seen" && : >"$STATE_DIRECTORY/queue/push"; } ||
  ends 1 err "refused: it cannot be written down, so it may be sent again"
# A delivery that is not remembered can at the most wake a run that finds nothing new.
: >"$seen/$signature" || say warning "delivery $name: it cannot be remembered"
# shellcheck disable=SC2012 # names of 64 hexadecimal digits
ls -t -- "$seen" | tail -n "+$((KEPT + 1))" | (cd -- "$seen" && xargs -r rm -f --)
ends 0 info "taken: a push to $FORGE_BRANCH"
