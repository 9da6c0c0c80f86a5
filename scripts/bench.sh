#!/usr/bin/env bash
# npm run bench: all set-up, then the benches.  usage: npm run bench [-- --json] [--quick] [--only NAME,...]
# Only the report goes to stdout.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

bash scripts/setup.sh
node_modules/.bin/tsc -p tsconfig.test.json >&2
exec node build/bench/run.js "$@"
