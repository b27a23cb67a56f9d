#!/bin/sh
# Makes the test bed's machine what a cloud has before anybody owns it: name, keys and users are
# cloud-init's to give, and there is no harness. Runs as root inside the layer over the image.
# cloud.sh PACKAGE...
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --no-install-recommends "$@" >/dev/null
# What was needed to get them is not left behind.
: >/etc/resolv.conf
find /var/cache/apt /var/lib/apt/lists /var/log -type f -delete

# Where it looks for what it is told; a network is there already, and no disk to be grown.
cat >/etc/cloud/cloud.cfg.d/90_testbed.cfg <<'EOF'
datasource_list: [NoCloud, None]
network: {config: disabled}
EOF
cloud-init clean --logs
rm -rf /opt/hermes
rm -rf /root/.ssh
for user in operator nosudo; do userdel --remove "$user" 2>/dev/null; done
rm -f /etc/sudoers.d/operator
