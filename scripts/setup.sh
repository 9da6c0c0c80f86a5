#!/usr/bin/env bash
# Installs npm packages and builds dist/ when they are missing or stale. Says what it does; silent when nothing is to do.
# LKVM_QUIET=1 keeps npm's own output away unless it fails.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

say() { echo "lkvm: $*" >&2; }

node -e 'const [a,b]=process.versions.node.split(".").map(Number); process.exit(a>20||(a===20&&b>=20)?0:1)' || {
  say "Node.js $(node --version) is too old: 20.20 or newer is needed"
  exit 1
}

run_quietly() {
  if [ -n "${LKVM_QUIET:-}" ]; then
    local log
    log=$(mktemp)
    "$@" > "$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; return 1; }
    rm -f "$log"
  else
    "$@" >&2
  fi
}

[ -w . ] || {
  say "this checkout has to be built, and you may not write to $PWD: run lkvm once as its owner"
  exit 1
}
exec 9> .setup.lock
flock 9

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say 'installing npm packages (npm ci)'
  run_quietly npm ci --no-audit --no-fund
  touch node_modules/.package-lock.json
fi

stale=
if [ ! -e dist/.built ]; then
  stale=1
elif [ -n "$(find src scripts/bundle.mjs tsconfig.json tsconfig.base.json package.json -newer dist/.built -print -quit)" ]; then
  stale=1
fi
if [ -n "$stale" ]; then
  say 'building dist/ (tsc)'
  mkdir -p dist
  touch dist/.building # files changed while tsc runs are newer than this
  run_quietly node_modules/.bin/tsc -p tsconfig.json
  # tsc leaves what it made of sources that are gone; a package must not contain that
  while IFS= read -r file; do
    source=src/${file#dist/}
    [ -e "${source%.js}.ts" ] || rm -f "$file" "$file.map" "${file%.js}.d.ts"
  done < <(find dist -name '*.js' -not -path 'dist/bundle/*')
  run_quietly node scripts/bundle.mjs
  mv dist/.building dist/.built
fi
