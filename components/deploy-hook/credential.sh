#!/bin/sh
# Git's credential helper for the forge: the token is in no command line and in no file of git's.
[ "${1:-}" = get ] || exit 0
file=${CREDENTIALS_DIRECTORY:-}/deploy-forge-read
[ -e "$file" ] || exit 0
IFS= read -r token <"$file" || [ -n "$token" ] || exit 0
# Forges take any name beside a token.
printf 'username=deploy\npassword=%s\n' "$token"
