#!/usr/bin/env bash
# Provides the programs tidegauge is tested against, unpacked and never installed: nothing of them
# reaches dpkg, so no service of theirs starts and no user is made. Needs no root.
#
#   target/peers/prometheus2     the oldest scraper supported: bookworm's Prometheus 2.42, with promtool
#   target/peers/prometheus3     sid's Prometheus 3, with promtool: the oracle
#   target/peers/node_exporter   sid's
#   target/peers/alertmanager    sid's, with amtool
#   target/peers/smartctl_exporter  sid's
#
# With --walkers also what `cargo xtask bench walk` compares with:
#
#   target/peers/gdu             sid's
#   target/peers/walkers         diskus, dust and pdu, compiled from crates.io
#
# Each has its programs under usr/bin. Prints their versions; quick when they are already there.
# To take newer ones, remove target/peers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD/target/peers
apt=$root/apt

# folder, suite, packages, programs that must answer --version
peers=(
  "prometheus2   bookworm prometheus               prometheus,promtool"
  "prometheus3   sid      prometheus,promtool      prometheus,promtool"
  "node_exporter sid      prometheus-node-exporter prometheus-node-exporter"
  "alertmanager  sid      prometheus-alertmanager  prometheus-alertmanager,amtool"
  "smartctl_exporter sid  prometheus-smartctl-exporter smartctl_exporter"
)

[[ ${1:-} != --walkers ]] || peers+=("gdu sid gdu gdu")

fail() { echo "peers: $*" >&2; exit 1; }

# Debian's main archive as the machine's own apt reaches it, so that a mirror or cache set up there is
# used. Of several, the one that is not for security updates.
mirror() {
  apt-get indextargets --format '$(REPO_URI)' |
    grep -v -- '-security' | sort | uniq -c | sort -rn | awk 'NR == 1 {print $2}'
}

# The machine's apt settings (proxies and the like) hold; only where lists and packages are kept, and
# what is listed, differ. Preferences are left out: they are made for the machine's own suite.
private_apt() {
  local command=$1
  shift
  "$command" \
    -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Dir::State::status="$apt/status" \
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::Retries=3 \
    "$@"
}

# Once a run: lists of an earlier one may name files that the mirror no longer has.
prepared=
prepare_apt() {
  [[ -z $prepared ]] || return 0
  local uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  uri=$(mirror)
  [[ -n $uri ]] || fail "apt knows no Debian archive here; add one to its sources"
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,download}
  : >"$apt/status"
  [[ -e $keyring ]] || fail "$keyring is missing; install debian-archive-keyring"
  printf 'deb [signed-by=%s] %s %s main\n' \
    "$keyring" "$uri" bookworm "$keyring" "$uri" sid >"$apt/sources.list"
  private_apt apt-get -q update
  prepared=1
}

# Downloads one package of one suite and unpacks it into a folder.
unpack() {
  local package=$1 suite=$2 into=$3 deb
  rm -f "$apt"/download/*.deb
  (cd "$apt/download" && private_apt apt-get -q download "$package/$suite")
  deb=("$apt"/download/*.deb)
  mkdir -p "$into"
  dpkg-deb -x "${deb[0]}" "$into"
  rm -f "${deb[0]}"
}

# A program may want a newer libc than this machine's; it needs no other library, being Go. Then its
# suite's libc is unpacked beside it and a wrapper starts it with that: nothing else sees it.
lend_libc() {
  local program=$1 suite=$2 libc=$root/libc-$2 loader
  [[ -d $libc ]] || unpack libc6 "$suite" "$libc"
  loader=$(find "$libc" -name 'ld-linux*' -type f -print -quit)
  mv "$program" "$program.real"
  # Beside the wrapper, so that the folder can be moved.
  cat >"$program" <<WRAPPER
#!/bin/sh
peers=\$(dirname "\$0")/../../..
exec "\$peers/${loader#"$root"/}" --library-path "\$peers/$(realpath --relative-to "$root" \
    "$(dirname "$(find "$libc" -name libc.so.6 -print -quit)")")" "\$0.real" "\$@"
WRAPPER
  chmod +x "$program"
}

version_of() { "$1" --version 2>&1 | awk 'NR == 1 {print NF < 3 ? $2 : $3}'; }

for peer in "${peers[@]}"; do
  read -r folder suite packages programs <<<"$peer"
  into=$root/$folder
  if [[ ! -e $into/.complete ]]; then
    prepare_apt
    rm -rf "$into"
    for package in ${packages//,/ }; do
      unpack "$package" "$suite" "$into"
    done
    for program in ${programs//,/ }; do
      if ! "$into/usr/bin/$program" --version >/dev/null 2>&1; then
        lend_libc "$into/usr/bin/$program" "$suite"
        "$into/usr/bin/$program" --version >/dev/null ||
          fail "$program of $suite does not run on this machine"
      fi
    done
    touch "$into/.complete"
  fi
  for program in ${programs//,/ }; do
    printf '%-14s %s %s\n' "$folder" "$program" "$(version_of "$into/usr/bin/$program")"
  done
done

if [[ ${1:-} == --walkers ]]; then
  for crate in diskus:diskus du-dust:dust parallel-disk-usage:pdu; do
    program=$root/walkers/bin/${crate#*:}
    [[ -x $program ]] || CARGO_TARGET_DIR=$root/walkers/build \
      cargo install -q --locked --root "$root/walkers" "${crate%:*}"
    printf '%-14s %s\n' walkers "$("$program" --version)"
  done
  rm -rf "$root/walkers/build"
fi
