#!/bin/sh
# Becomes the gateway of a house, on the harness of its release.
#
#   start-gateway.sh <release>    e.g. /srv/wizards/bezalel/current
#
# Started through the link, Python would look for every module that it reads later behind `current`, where by then the next
# release may be, with another harness: what runs would be half of each.
set -eu

VIRTUAL_ENV=$(readlink -e -- "$1/harness") || {
  echo "There is no harness: $1/harness leads to $(readlink -- "$1/harness" || echo nowhere), where nothing is." >&2
  exit 1
}
PATH=$VIRTUAL_ENV/bin:$PATH
export VIRTUAL_ENV PATH
exec "$VIRTUAL_ENV/bin/python" -m hermes_cli.main gateway run
