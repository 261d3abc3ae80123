#!/usr/bin/env bash
# Boots Debian's kernel under software emulation on a read-only view of this machine's root, runs the
# tests of tests/vm/guest in it as root, and powers off: for what the kernel of a build machine may lack
# (NVMe, device mapper, NFS, project quotas). usage: tests/vm/boot.sh [FILTER | --bench]
#
# TIDEGAUGE_VM_SECONDS is how long the guest may run: more on a machine that does other work meanwhile.
#
# Needs root (modules are linked to /lib/modules while it runs), qemu-system-x86, kmod, busybox-static,
# python3 with pip, and the release build. What it downloads stays in target/vm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
vm=$root/target/vm
mkdir -p "$vm" "$root/target/rig"
target=vm_guest filter=${1:-}
[[ $filter != --bench ]] || target=vm_bench filter=

fail() { echo "vm: $*" >&2; exit 1; }

if [[ ! -e $vm/vng/.complete ]]; then
  rm -rf "$vm/vng"
  python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore \
    --target "$vm/vng" virtme-ng==1.42
  touch "$vm/vng/.complete"
fi

if [[ ! -e $vm/kernel/.complete ]]; then
  package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
  [[ -n $package ]] || fail "apt knows no linux-image-amd64; run apt-get update"
  rm -rf "$vm/kernel" "$vm"/*.deb
  (cd "$vm" && apt-get -q -o APT::Sandbox::User="$(id -un)" download "$package")
  dpkg-deb -x "$vm"/*.deb "$vm/kernel"
  rm "$vm"/*.deb
  depmod -b "$vm/kernel" "${package#linux-image-}"
  touch "$vm/kernel/.complete"
fi
image=$(echo "$vm"/kernel/boot/vmlinuz-*)
version=${image##*/vmlinuz-}

tests=$(cargo test --locked --no-run --test $target --message-format=json 2>"$vm/build.log" |
  jq -r 'select(.target.name == "'$target'" and .executable) | .executable') ||
  fail "$(tail -n 40 "$vm/build.log")"
[[ -x $tests ]] || fail "the tests were not built"

# The guest sees this machine's /lib/modules. A link that is there already is of another run; one that leads nowhere
# is of a run that was killed in a folder that has gone.
modules=/lib/modules/$version
if [[ ! -e $modules ]]; then
  mkdir -p /lib/modules
  rm -f "$modules"
  ln -s "$vm/kernel/lib/modules/$version" "$modules"
  trap 'rm -f "$modules"; rmdir --ignore-fail-on-non-empty /lib/modules' EXIT
fi

# The three tiers' devices: one NVMe with two namespaces, one subsystem with two controllers that share a
# namespace (multipath), two SATA disks, one SCSI disk. Sparse files; what an earlier run wrote is gone.
for disk in nvme-a:4G nvme-b:256M nvme-shared:1G sata-a:2G sata-b:2G scsi-a:1G; do
  rm -f "$vm/${disk%:*}.img"
  truncate -s "${disk#*:}" "$vm/${disk%:*}.img"
done
drive() { echo "-drive file=$vm/$1.img,if=none,id=$1,format=raw,discard=unmap,cache=unsafe"; }
devices="\
$(drive nvme-a) $(drive nvme-b) -device nvme,id=nvme0,serial=TG0001 \
-device nvme-ns,drive=nvme-a,bus=nvme0,nsid=1 -device nvme-ns,drive=nvme-b,bus=nvme0,nsid=2 \
$(drive nvme-shared) -device nvme-subsys,id=pair,nqn=pair \
-device nvme,id=nvme1,serial=TG0002,subsys=pair -device nvme,id=nvme2,serial=TG0002,subsys=pair \
-device nvme-ns,drive=nvme-shared,bus=nvme1,nsid=1,shared=on \
$(drive sata-a) $(drive sata-b) -device ahci,id=ahci \
-device ide-hd,drive=sata-a,bus=ahci.0,serial=TGSATA1,wwn=0x5000c500a0000001 \
-device ide-hd,drive=sata-b,bus=ahci.1,serial=TGSATA2,wwn=0x5000c500a0000002 \
$(drive scsi-a) -device virtio-scsi-pci,id=scsi -device scsi-hd,drive=scsi-a,bus=scsi.0,serial=TGSCSI1 \
-chardev socket,id=qmp,path=$vm/qmp.sock,server=on,wait=off -mon chardev=qmp,mode=control \
-chardev socket,id=qmp-guest,path=$vm/qmp.sock -device virtio-serial-pci,id=tidegauge \
-device virtserialport,bus=tidegauge.0,chardev=qmp-guest,name=tidegauge.qmp"
rm -f "$vm/qmp.sock"

# The exit code comes by the output, whatever virtme makes of it.
PATH=$vm/vng/bin:$PATH PYTHONPATH=$vm/vng timeout "${TIDEGAUGE_VM_SECONDS:-1200}" \
  vng --run "$image" --disable-kvm --force-9p --cpus 2 --memory 2G --user root --qemu-opts="$devices" -- \
  "$root/tests/vm/guest.sh" "$tests" "${TIDEGAUGE_BIN:-$root/target/release/tidegauge}" "$filter" |
  tee "$vm/guest.log"
grep -q '^guest: all passed' "$vm/guest.log" || fail "the tests in the guest did not pass"
