#!/usr/bin/env bash
# Installs the Debian packages that the tests use, as root only and only those missing. Without root it changes
# nothing: tests whose tools are missing are skipped and say so.
set -euo pipefail
# command that proves the package is there : package
wanted=(
  gcc:gcc
  dtc:device-tree-compiler
  ip:iproute2
  iperf3:iperf3
  iasl:acpica-tools
  ping:iputils-ping
  aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu
  qemu-aarch64-static:qemu-user-static
  qemu-system-x86_64:qemu-system-x86
  qemu-system-aarch64:qemu-system-arm
  make:make
  xz:xz-utils
)
missing=()
for entry in "${wanted[@]}"; do
  command -v "${entry%%:*}" > /dev/null || missing+=("${entry#*:}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
  echo "lkvm: some tests will be skipped; missing Debian packages: ${missing[*]}" >&2
  exit 0
fi
echo "lkvm: installing Debian packages for the tests: ${missing[*]} (and libc6-dev-arm64-cross)" >&2
export DEBIAN_FRONTEND=noninteractive
# A list in the middle of its mirror's update fails alone; if a package is missing because of that, the next line says so.
apt-get update -qq || true
apt-get install -y -qq --no-install-recommends "${missing[@]}" libc6-dev-arm64-cross > /dev/null
