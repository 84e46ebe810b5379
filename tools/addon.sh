#!/bin/sh
# Builds the Node package: the native addon, then TypeScript. Usage: addon.sh [dev|release]
set -eu
cd bindings/node
case ${1:-dev} in
    release) set -- --profile addon ;;
    *) set -- ;;
esac

log=../../node_modules/.addon.log
if ! npm run --silent build:native -- "$@" >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
npm run --silent build:ts
