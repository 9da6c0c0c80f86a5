#!/usr/bin/env bash
# npm test: all set-up, then every check and test. As root it first installs the Debian packages some tests use.
# usage: npm test [-- TEST-FILE ...]      e.g. npm test -- test/unit/memory/iov-array.test.ts
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

bash scripts/debian-packages.sh
bash scripts/setup.sh
if [ $# -eq 0 ] || [[ "$*" == *test/bed/* || "$*" == *test/peer/* ]]; then
  # kernels and busyboxes for the guests; without them those tests are skipped, but not in continuous integration
  bash scripts/bed/fetch.sh || [ "${CI:-}" != true ]
fi
node_modules/.bin/biome check --error-on-warnings .
rm -rf build # with tsc's notes in it: otherwise it would not write again what has not changed
node_modules/.bin/tsc -p tsconfig.test.json

if [ $# -gt 0 ]; then
  files=()
  for file in "$@"; do files+=("build/${file%.ts}.js"); done
else
  mapfile -t files < <(find build/test -name '*.test.js' | sort)
fi
exec node --test --test-concurrency=2 --test-reporter=spec "${files[@]}"
