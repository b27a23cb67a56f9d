#!/bin/sh
# reset.sh: makes the host as if it had never had a house.
set -eu
for link in /etc/systemd/system/hermes-*.service; do
  if [ -L "$link" ]; then systemctl stop "${link##*/}"; fi
done
rm -f /etc/systemd/system/hermes-*.service /etc/systemd/system/multi-user.target.wants/hermes-*.service
rm -f /etc/cron.d/wizard-*
rm -rf /srv/wizards /var/lib/wizard-houses
systemctl daemon-reload
systemctl reset-failed
getent passwd | sed -n 's/^\(wizard-[^:]*\):.*$/\1/p' | while IFS= read -r account; do
  userdel -- "$account"
done
getent group | sed -n 's/^\(wizard-[^:]*\):.*$/\1/p' | while IFS= read -r group; do
  groupdel -- "$group"
done
install -d -m 0755 /srv/wizards
