# shellcheck shell=bash
# Sourced by the scripts that get files out of Debian packages without installing anything: apt on lists of its own, so
# that neither the host's package lists nor its architectures change. No root is needed.

say() { echo "lkvm bed: $*" >&2; }

have_apt() { command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# use_apt ARCHITECTURE: from here on apt is about that one
use_apt() {
  local dir=$work/$1
  export APT_CONFIG=$dir/apt.conf
  [ ! -e "$APT_CONFIG" ] || return 0
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  : > "$dir/status"
  cat > "$APT_CONFIG" << CONF
Dir::State "$dir";
Dir::State::lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
APT::Architecture "$1";
APT::Architectures { "$1"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
  say "reading Debian's package lists ($1)"
  # An index in the middle of its mirror's update fails alone; what the others offer is still there.
  apt-get update -qq > "$dir/update.log" 2>&1 || say "some lists could not be read: $(grep -m1 '^E:' "$dir/update.log")"
}

# download PACKAGE: prints the path of the file
download() {
  local folder=$work/deb
  rm -rf "$folder"
  mkdir "$folder"
  (cd "$folder" && apt-get download -qq "$1" > /dev/null 2>&1) || return 1
  echo "$folder"/*.deb
}
