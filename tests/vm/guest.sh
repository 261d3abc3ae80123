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
tests=$1 filter=$3

# Runs the tests, one after the other; further words are for the harness.
run() { "$tests" --test-threads=1 "$@"; }

# All of them: those that share no device and count nothing in common side by side, then the others.
run_all() {
  together="lvm:: md:: quota:: smart::"
  run md:: quota:: smart:: >/run/beside.log 2>&1 &
  beside=$!
  status=0
  run lvm:: || status=1
  wait "$beside" || status=1
  cat /run/beside.log
  skip=
  for name in $together; do skip="$skip --skip $name"; done
  run $skip || status=1
  return "$status"
}

case $tests in
  # The benchmark takes no arguments.
  *vm_bench*) set -- "$tests" ;;
  *) if [ -n "$filter" ]; then set -- run "$filter"; else set -- run_all; fi ;;
esac
if "$@" && ! [ -s "$TIDEGAUGE_SKIPPED" ]; then
  echo "guest: all passed"
fi
