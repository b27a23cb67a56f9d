# Builds a harness in a mount namespace of its own, in which its staging folder stands at the place it will have: a
# virtualenv knows its own path. Run by harness.sh as: sh -c TEXT sh PLACE STAGED SCRATCH FROM PYTHON, where
#   SCRATCH   holds the lock, pip.conf where FROM is index, and wheels/ where FROM is wheels
#   FROM      host: what the host's own pip is set up with
#   PYTHON    the version that the lock is made for, e.g. 3.11
set -eu
umask 022
place=$1 staged=$2 scratch=$3 from=$4 wanted=$5
has=$(python3 -I -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$has" != "$wanted" ]; then
  echo "the lock is made for Python $wanted, and python3 of this host is $has"
  exit 1
fi
mount --bind -- "$staged" "$place"
cd /
python3 -I -m venv "$place"
cp -- "$scratch/lock" "$place/requirements.lock"

configuration='' offline=''
case $from in
  wheels) configuration=PIP_CONFIG_FILE=/dev/null offline="--no-index --find-links $scratch/wheels" ;;
  index) configuration=PIP_CONFIG_FILE=$scratch/pip.conf ;;
esac
pip() {
  # shellcheck disable=SC2086 # one word or none
  env -i PATH="$PATH" HOME=/root LC_ALL=C.UTF-8 TMPDIR="$place" $configuration \
    "$place/bin/python" -I -m pip --quiet --no-input --disable-pip-version-check "$@"
}
# Only wheels, only those whose hashes are in the lock: nothing of a package is run.
# shellcheck disable=SC2086 # two options or none
pip install --require-hashes --no-deps --only-binary :all: --no-cache-dir --progress-bar off \
  --root-user-action ignore $offline -r "$place/requirements.lock"
pip check
chmod -R a+rX,go-w -- "$place"
