#!/bin/sh
# Runs in the guest: makes what tests write to writable, then runs them.
# usage: guest.sh TESTS TIDEGAUGE [FILTER]
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
modules="loop ext4 xfs quota_v2 btrfs raid1 dm-mod dm-snapshot dm-thin-pool dm-cache dm-writecache dm-raid
  nvme ahci sd_mod virtio_scsi sg virtio_console nfs nfsv4 nfsd"
for module in $modules; do modprobe "$module"; done
ip link set lo up 2>/dev/null || ifconfig lo up
mount -t tmpfs tmpfs "$root/target/rig"
# What tools write beside their devices; the root is a read-only view of the machine's.
mkdir -p /run/lvm /run/lock/lvm
# Before the first scrub of the machine there is no folder for its status, and none can be made.
[ -d /var/lib/btrfs ] || { modprobe overlay && mkdir -p /run/lib/upper /run/lib/work &&
  mount -t overlay -o lowerdir=/var/lib,upperdir=/run/lib/upper,workdir=/run/lib/work overlay /var/lib &&
  mkdir /var/lib/btrfs; }
for writable in /etc/lvm /var/lib/nfs /var/lib/btrfs; do
  [ ! -d "$writable" ] || { cp -r "$writable" "/run/copy" && mount -t tmpfs tmpfs "$writable" &&
    cp -r /run/copy/. "$writable" && rm -r /run/copy; }
done
udevadm settle --timeout=10
export TIDEGAUGE_BIN="$2" TIDEGAUGE_SKIPPED="$root/target/rig/skipped.txt"
# The benchmark takes no arguments.
case $1 in *vm_bench*) set -- "$1" "$2" ;; *) set -- "$1" "$2" --test-threads=1 $3 ;; esac
tests=$1
shift 2
if "$tests" "$@" && ! [ -s "$TIDEGAUGE_SKIPPED" ]; then
  echo "guest: all passed"
fi
