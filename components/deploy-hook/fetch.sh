#!/bin/sh
# First step of a run: takes what has woken it off the queue, fetches the branch from the forge, and lets its newest
# commit pass if it is newer than what is deployed and signed by an allowed key. What woke the run says nothing about
# what is brought up, and however many deliveries there were, there is one run.
#
# Environment: QUEUE, CLONE_URL, FORGE_BRANCH, SIGNED_COMMITS (yes or no), ALLOWED_SIGNERS, DEPLOYED (the file that says
# what was brought up last), STATE_DIRECTORY, RUNTIME_DIRECTORY.
#
# Leaves the commit's files in $STATE_DIRECTORY/tree and `<run> <commit>` in $RUNTIME_DIRECTORY/target. Without that file
# the further steps are left out: there is nothing to do.
# shellcheck source=components/deploy-hook/story.sh
. "${0%/*}/story.sh"
umask 027
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=/bin/false
# A forge that accepts and then says nothing is one that is down.
export GIT_HTTP_LOW_SPEED_LIMIT=1 GIT_HTTP_LOW_SPEED_TIME=15

tree=$STATE_DIRECTORY/tree
repository=$STATE_DIRECTORY/repository.git
short() { printf '%.10s' "$1"; }

rm -f -- "$RUNTIME_DIRECTORY/target"
run=$(cat /proc/sys/kernel/random/uuid)
head=-
fails() { # fails MESSAGE
  outcome "$run" "$head" failed "$1"
  exit 1
}

woken=$(ls -A -- "$QUEUE")
# Before anything else: a delivery that comes from here on wakes the next run.
(cd -- "$QUEUE" && rm -f -- push start) || fails "the queue cannot be emptied"

# All that it writes is on the disk before it is named, also after a power cut.
git() { command git -c core.fsync=all -c core.hooksPath=/dev/null -c gpg.program=/bin/false -c credential.helper= \
  -c "credential.helper=/usr/local/lib/wizard-deploy/credential.sh" -c "safe.directory=$repository" \
  --git-dir="$repository" "$@"; }

# What a run that was cut off has left: half a repository, and locks, which git would respect for good. Runs come one at a
# time, and no ref has such a name.
if [ -d "$repository" ]; then find "$repository" -type f -name '*.lock' -delete; fi
command git init --quiet --bare -- "$repository" || fails "no room for the repository"
tries=5
until said=$(git fetch --quiet --no-tags --no-write-fetch-head "$CLONE_URL" \
  "+refs/heads/$FORGE_BRANCH:refs/heads/$FORGE_BRANCH" 2>&1 </dev/null); do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || fails "the forge does not hand out $FORGE_BRANCH: $said"
  # It is a copy, which the forge can give anew.
  if ! git fsck --connectivity-only >/dev/null 2>&1; then
    say warning "the repository is damaged, and fetched anew"
    { rm -rf -- "$repository" && command git init --quiet --bare -- "$repository"; } || fails "no room for the repository"
    continue
  fi
  sleep 3
done
head=$(git rev-parse --verify --quiet "refs/heads/$FORGE_BRANCH^{commit}") || fails "there is no $FORGE_BRANCH"

# shellcheck disable=SC2153 # the unit sets it
deployed=$(cat -- "$DEPLOYED" 2>/dev/null || :)
if [ "$woken" = start ] && [ -z "$deployed" ]; then exit 0; fi
if [ -n "$woken" ] && [ "$head" = "$deployed" ]; then
  say info "nothing new: $(short "$head") is deployed"
  exit 0
fi
# A branch that was set back is not followed: an old commit with an old fault is as signed as any.
if [ -n "$deployed" ] && ! git merge-base --is-ancestor "$deployed" "$head" 2>/dev/null; then
  fails "$(short "$head") is not newer than $(short "$deployed"), which is deployed: bring the branch forward, or remove $DEPLOYED"
fi
if [ "$SIGNED_COMMITS" = yes ]; then
  [ -s "$ALLOWED_SIGNERS" ] || fails "$ALLOWED_SIGNERS is missing, so nobody may deploy"
  git -c "gpg.ssh.allowedSignersFile=$ALLOWED_SIGNERS" verify-commit "$head" 2>/dev/null ||
    fails "$(short "$head") is not signed by a key of $ALLOWED_SIGNERS"
fi

# In place, so that files which did not change keep their times, and what was compiled of them stays good.
{
  mkdir -p -- "$tree" &&
    git --work-tree="$tree" checkout --quiet --force --detach "$head" &&
    git --work-tree="$tree" clean --quiet -ffdx
} || fails "no room for the files of $(short "$head")"
lock=$(sha256sum <"$tree/package-lock.json" | cut -c 1-16) || fails "$(short "$head") has no package-lock.json"
ln -sfn -- "/var/lib/deploy-build/$lock/node_modules" "$tree/node_modules" || fails "no room for a link"
outcome "$run" "$head" running "fetched"
printf '%s %s\n' "$run" "$head" >"$RUNTIME_DIRECTORY/target"
