#!/usr/bin/env bash
# Builds the Linux front end (guest/linux) for a kernel of the cache and prints the path of virtio_hvl.ko, which stays in
# the cache, hvl_cost.ko beside it, until the source or the kernel changes. Debian's kernel headers are fetched the way the kernels are:
# unpacked into the cache, nothing installed.
# usage: scripts/bed/module.sh KERNEL    e.g. 6.1, 6.12, 6.1-arm64; LKVM_BED_CACHE as in fetch.sh
# exit status: 1 if it does not compile, 3 if there are no headers for that kernel
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
name=${1:?which kernel? e.g. 6.1}
cache=${LKVM_BED_CACHE:-.cache/bed}
cache=$(readlink -f "$cache")
[ -e "$cache/kernels/$name/.complete" ] || {
  echo "lkvm bed: no kernel \"$name\" in the cache: scripts/bed/fetch.sh" >&2
  exit 1
}
release=$(cat "$cache/kernels/$name/release")
key=$(cat guest/linux/Kbuild guest/linux/*.[ch] | sha256sum | cut -c 1-12)
module=$cache/modules/$name/$key/virtio_hvl.ko
headers=$cache/headers

exec 9> "$cache/.module.lock"
flock 9
[ ! -e "$module" ] || {
  echo "$module"
  exit 0
}
source scripts/bed/apt.sh
arch=${release##*-}
cross=
[ "$arch" != arm64 ] || cross=aarch64-linux-gnu-
for tool in make "${cross}gcc" "${cross}strip"; do
  command -v "$tool" > /dev/null || {
    say "no $tool here: the kernel module cannot be built"
    exit 1
  }
done

# unpack PACKAGE: into the folder of headers, if it is not there
unpack() {
  local deb
  [ ! -e "$headers/.$1" ] || return 0
  say "downloading $1"
  deb=$(download "$1") || {
    say "no package $1 can be had"
    return 1
  }
  mkdir -p "$headers"
  dpkg-deb -x "$deb" "$headers" || return 1
  touch "$headers/.$1"
}

fetch_headers() {
  local package=linux-headers-$release kbuild common folder=$headers/usr/src/linux-headers-$release
  [ ! -e "$headers/.complete-$release" ] || return 0
  have_apt || return 1
  use_apt "$arch"
  unpack "$package" || return 1
  common=$(apt-cache depends "$package" | awk '/Depends: linux-headers-.*-common/ { print $2; exit }')
  kbuild=$(apt-cache depends "$package" | awk '/Depends: linux-kbuild/ { print $2; exit }')
  use_apt "$(dpkg --print-architecture)" # the tools of the build run here
  unpack "$common" && unpack "$kbuild" || return 1
  # Debian's Makefile names a path of an installed system.
  echo "include \$(dir \$(lastword \$(MAKEFILE_LIST)))../$common/Makefile" > "$folder/Makefile"
  touch "$headers/.complete-$release"
}

fetch_headers || exit 3
build=$work/build
mkdir "$build"
cp guest/linux/Kbuild guest/linux/*.[ch] "$build"
options=(CC="${cross}gcc" CONFIG_DEBUG_INFO_BTF_MODULES= KCFLAGS='-Wall -Werror')
[ "$arch" != arm64 ] || options+=(ARCH=arm64 CROSS_COMPILE="$cross")
say "building virtio_hvl for $release"
make -s -C "$headers/usr/src/linux-headers-$release" M="$build" "${options[@]}" modules > "$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}
"${cross}strip" --strip-debug "$build/virtio_hvl.ko"
mkdir -p "${module%/*}"
find "$cache/modules" -mindepth 2 -maxdepth 2 -mtime +1 -exec rm -rf {} + # of sources that were changed
mv "$build/hvl_cost.ko" "${module%/*}"
mv "$build/virtio_hvl.ko" "$module" # last: with it the result is complete
echo "$module"
