#!/bin/sh
# Runs in the guest: makes what tests write to writable, then runs them.
# usage: guest.sh TESTS TIDEGAUGE [FILTER]
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
for module in loop ext4 xfs quota_v2; do modprobe "$module"; done
ip link set lo up 2>/dev/null || ifconfig lo up
mount -t tmpfs tmpfs "$root/target/rig"
export TIDEGAUGE_BIN="$2" TIDEGAUGE_SKIPPED="$root/target/rig/skipped.txt"
if "$1" --test-threads=1 --nocapture $3 && ! [ -s "$TIDEGAUGE_SKIPPED" ]; then
  echo "guest: all passed"
fi
