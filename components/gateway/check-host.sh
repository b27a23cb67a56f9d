#!/bin/sh
# Says whether this host can run the release it lies in, before anything is switched: whether what the sandbox opens is
# there, and whether the harness is there and follows the release.
#
#   check-host.sh <version> <given|installed> [<folder or group>...]
#
# Runs in the folder of the release, as the house's user, with the harness that the release names. <version> is the harness's that the release was made for. Ends
# with 0, or else with every problem and what to do about it on standard error.
set -eu

version=$1 how=$2
shift 2
venv=$(readlink -- harness) || venv=$PWD/harness
python=$venv/bin/python
user=$(id -un)
result=0

problem() {
  printf '%s\n' "$1" >&2
  result=1
}

for need in "$@"; do
  case $need in
    /*)
      if [ ! -d "$need" ] || [ ! -w "$need" ] || [ ! -x "$need" ]; then
        problem "The house may write to $need, but it is no folder that $user can write to. As root:
install -d -m 0750 -o $user -g $user $need"
      fi
      ;;
    *)
      if ! getent group "$need" >/dev/null; then
        problem "The house's sandbox joins the group $need, which this host does not have. As root: groupadd --system $need"
      fi
      ;;
  esac
done

if [ ! -x "$python" ] && [ "$how" = installed ]; then
  problem "There is no harness: $user finds no program $python, which the update should have installed. Run it again."
elif [ ! -x "$python" ]; then
  problem "There is no harness: $user finds no program $python. Needed is hermes-agent $version. As root:
python3 -m venv $venv && $python -m pip install 'hermes-agent[messaging]==$version'"
else
  # Neither this folder nor the home is searched for modules, and nothing is written beside the harness's.
  code=0
  "$python" -I -B gateway/check-harness.py "$version" "$how" || code=$?
  case $code in
    0) ;;
    1) result=1 ;;
    *) problem "The harness's interpreter $python ended with code $code." ;;
  esac
fi
exit "$result"
