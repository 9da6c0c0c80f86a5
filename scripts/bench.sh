#!/usr/bin/env bash
# npm run bench: all set-up, then the benches.  usage: npm run bench [-- --json] [--quick] [--only NAME,...]
#        npm run bench -- guest [--rounds N] [--json]    a Debian guest against QEMU, in the test bed's outer guest
#        npm run bench -- pool [--rounds N] [--json]     ... with its devices in a pool against the same on PCI
#        npm run bench -- remote [--rounds N] [--json]   a Debian machine in QEMU: its devices in our pool against QEMU's own
# Only the report goes to stdout.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

bash scripts/setup.sh
node_modules/.bin/tsc -p tsconfig.test.json >&2
if [[ "${1:-}" == guest || "${1:-}" == pool || "${1:-}" == remote ]]; then
  name=$1
  shift
  bash scripts/debian-packages.sh
  bash scripts/bed/fetch.sh
  folder=kvm/
  [ "$name" != remote ] || folder=
  exec node "build/bench/$folder$name.js" "$@"
fi
exec node build/bench/run.js "$@"
