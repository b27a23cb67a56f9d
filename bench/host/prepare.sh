#!/bin/sh
# prepare.sh: readies a test machine for measuring. The stand-in for the gateway follows on standard input.
set -eu
# The log then has a line for each session, by which they are counted.
echo 'LogLevel VERBOSE' >/etc/ssh/sshd_config.d/bench.conf
systemctl reload ssh.service
# What houses do by the clock would be measured by chance.
systemctl stop cron.service
packages=$(/opt/hermes/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cat >"$packages/hermes_cli/main.py"
