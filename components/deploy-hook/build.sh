#!/bin/sh
# Second step of a run, as an account that has nothing: installs the packages where the lock file has changed, compiles,
# and lets only a fleet pass that bans at least what the control house wants banned.
#
# Environment: NODE (folder of Node.js), MINIMUM (file with the banned families), STATE_DIRECTORY, RUNTIME_DIRECTORY,
# CACHE_DIRECTORY.
# shellcheck source=components/deploy-hook/story.sh
. "${0%/*}/story.sh"
umask 027
KEPT=3
tree=/var/lib/deploy-forge/tree
PATH=$NODE/bin:/usr/local/bin:/usr/bin:/bin
HOME=$CACHE_DIRECTORY
export PATH HOME npm_config_cache="$CACHE_DIRECTORY/npm" npm_config_update_notifier=false

target
fails() { # fails MESSAGE
  outcome "$run" "$commit" failed "$1"
  exit 1
}
said=$RUNTIME_DIRECTORY/said
first() { grep -v '^ *$' "$said" | head -n 3 | tr '\n' ' '; }

modules=$(readlink -- "$tree/node_modules") || fails "the tree has no link to its packages"
lock=${modules%/node_modules}
lock=${lock##*/}
if [ ! -d "$modules" ]; then
  staging=$STATE_DIRECTORY/.staging
  rm -rf -- "$staging"
  { mkdir -- "$staging" && cp -- "$tree/package.json" "$tree/package-lock.json" "$staging/"; } ||
    fails "no room for packages"
  [ ! -e "$tree/.npmrc" ] || cp -- "$tree/.npmrc" "$staging/"
  # No script of a package runs: all that is needed of them is files.
  (cd -- "$staging" && npm ci --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel=error) >"$said" 2>&1 </dev/null || {
    cat -- "$said"
    fails "npm ci: $(first)"
  }
  rm -rf -- "${STATE_DIRECTORY:?}/$lock"
  mv -- "$staging" "$STATE_DIRECTORY/$lock" || fails "no room for packages"
fi
touch -- "$STATE_DIRECTORY/$lock"
# shellcheck disable=SC2012 # names of 16 hexadecimal digits
ls -t -- "$STATE_DIRECTORY" | tail -n "+$((KEPT + 1))" | (cd -- "$STATE_DIRECTORY" && xargs -r rm -rf --)

cd -- "$tree" || fails "the tree is gone"
{ node toolchain/compile.mjs && node scripts/run.mjs minimum "$MINIMUM"; } >"$said" 2>&1 </dev/null || {
  cat -- "$said"
  fails "$(first)"
}
outcome "$run" "$commit" running "built"
