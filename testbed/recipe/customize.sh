#!/bin/sh
# Makes a fresh Debian the test bed's machine. Runs as root inside the image; the wheels lie in /tmp/wheels.
# customize.sh REQUIREMENT
set -eu
requirement=$1

# The harness, root's own, with its byte code compiled: an agent must not be able to change it.
python3 -m venv /opt/hermes/venv
/opt/hermes/venv/bin/pip install --quiet --no-index --find-links /tmp/wheels "$requirement"
rm -rf /tmp/wheels

# Keys are each machine's own.
rm -f /etc/ssh/ssh_host_*

# A container has no terminals, no disks to check and nothing to download.
systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
  e2scrub_reap.service systemd-pstore.service console-getty.service getty@.service getty.target \
  sys-fs-fuse-connections.mount dev-hugepages.mount modprobe@.service systemd-modules-load.service
systemctl --quiet set-default multi-user.target
systemctl --quiet enable cron.service ssh.service
mkdir -p /var/log/journal

# Two people: one may become root, one may not.
for user in operator nosudo; do
  # Debian has a group `operator` already, so none is made.
  useradd --create-home --shell /bin/sh --gid users "$user"
  install -d -m 700 -o "$user" -g users "/home/$user/.ssh"
done
echo 'operator ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/operator
chmod 440 /etc/sudoers.d/operator
install -d -m 700 /root/.ssh

# Logging in starts no user manager. On a host of its own that costs nothing that shows; here all machines share a few
# processors, and it would be two thirds of every login. `pam-auth-update --enable systemd` turns it on.
pam-auth-update --package --remove systemd

: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
ln -s /etc/machine-id /var/lib/dbus/machine-id
: >/etc/resolv.conf
find /var/cache/apt /var/lib/apt/lists /var/log -type f -delete
