#!/usr/bin/env bash
# Fetches what the test bed's guests are made of: Debian kernels with their modules and static busyboxes, unpacked into
# a cache that git ignores. Nothing is installed, and no root is needed: apt works on lists of its own, so neither the
# host's package lists nor its architectures change.
# usage: scripts/bed/fetch.sh    LKVM_BED_CACHE=DIR says where to (default .cache/bed)
# What is there already is left alone. A kernel that cannot be had is named, and the tests that need it are skipped;
# the exit status is 1 only if there is nothing to boot at all.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
cache=${LKVM_BED_CACHE:-.cache/bed}
mkdir -p "$cache"
cache=$(readlink -f "$cache")

# name in the cache : package that depends on the newest kernel, or holds the file itself : architecture
kernels=(
  6.1:linux-image-amd64:amd64
  6.1-cloud:linux-image-cloud-amd64:amd64
  6.12:linux-image-6.12-amd64:amd64
  686:linux-image-686:i386
  6.1-arm64:linux-image-arm64:arm64
  6.12-arm64:linux-image-6.12-arm64:arm64
)
busyboxes=(amd64 i386 arm64)
# Parts of lib/modules/VERSION/kernel that initrds take modules from.
parts=(arch/x86/crypto arch/x86/kvm crypto drivers/block drivers/char drivers/crypto/ccp drivers/net/net_failover
  drivers/net/tap drivers/net/tun drivers/net/virtio_net drivers/vhost drivers/virtio fs/9p fs/ext4 fs/fscache
  fs/jbd2 fs/mbcache fs/netfs fs/overlayfs lib net/9p net/core net/vmw_vsock virt)

exec 9> "$cache/.lock"
flock 9
source scripts/bed/apt.sh

missing=()
for entry in "${kernels[@]}"; do [ -e "$cache/kernels/${entry%%:*}/.complete" ] || missing+=("$entry"); done
for arch in "${busyboxes[@]}"; do [ -e "$cache/busybox-$arch" ] || missing+=("busybox:busybox-static:$arch"); done
[ ${#missing[@]} -gt 0 ] || exit 0

have_apt || {
  say 'no apt-get or dpkg-deb here: Debian kernels cannot be fetched'
  exit 1
}

fetch_kernel() {
  local name=$1 meta=$2 target=$cache/kernels/$1 unpacked=$work/unpacked package deb
  package=$(apt-cache depends "$meta" 2> /dev/null | awk '/Depends: linux-image/ { print $2; exit }')
  [ -n "$package" ] || return 1
  say "downloading $package"
  deb=$(download "$package") || return 1
  rm -rf "$unpacked" "$target"
  mkdir -p "$unpacked" "$target/modules"
  local patterns=("${parts[@]/#/./lib/modules/*/kernel/}")
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$unpacked" --wildcards './boot/vmlinuz-*' "${patterns[@]}" \
    "${patterns[@]/%/.ko*}" 2> /dev/null || true # each pattern is a folder or a module, and not each kernel has each
  cp "$unpacked"/boot/vmlinuz-* "$target/vmlinuz"
  find "$unpacked/lib/modules" -name '*.ko*' -exec cp -t "$target/modules" {} +
  find "$target/modules" -name '*.xz' -exec xz -d {} +
  basename "$unpacked"/boot/vmlinuz-* | sed 's/vmlinuz-//' > "$target/release"
  touch "$target/.complete"
}

fetch_busybox() {
  local deb
  say "downloading busybox-static ($1)"
  deb=$(download busybox-static) || return 1
  dpkg-deb --fsys-tarfile "$deb" | tar -xO ./bin/busybox > "$work/busybox"
  chmod 755 "$work/busybox"
  mv "$work/busybox" "$cache/busybox-$1"
}

for entry in "${missing[@]}"; do
  IFS=: read -r name package arch <<< "$entry"
  use_apt "$arch"
  if [ "$name" = busybox ]; then
    fetch_busybox "$arch" || say "busybox-static for $arch cannot be had"
  else
    fetch_kernel "$name" "$package" || say "no kernel \"$name\" ($package) can be had: the tests that boot it are skipped"
  fi
done

[ -e "$cache/kernels/6.1/.complete" ] && [ -e "$cache/busybox-amd64" ] || {
  say 'the kernel and the busybox that all scenarios use are missing'
  exit 1
}
