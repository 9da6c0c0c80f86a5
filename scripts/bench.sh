#!/usr/bin/env bash
# npm run bench: all set-up, then the benches.  usage: npm run bench [-- --json] [--quick] [--only NAME,...]
#        npm run bench -- guest [--rounds N] [--json]    a Debian guest against QEMU, in the test bed's outer guest
#        npm run bench -- pool [--rounds N] [--json]     ... with its devices in a pool against the same on PCI
# Only the report goes to stdout.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

bash scripts/setup.sh
node_modules/.bin/tsc -p tsconfig.test.json >&2
if [ "${1:-}" = guest ] || [ "${1:-}" = pool ]; then
  name=$1
  shift
  bash scripts/debian-packages.sh
  bash scripts/bed/fetch.sh
  exec node "build/bench/kvm/$name.js" "$@"
fi
exec node build/bench/run.js "$@"
