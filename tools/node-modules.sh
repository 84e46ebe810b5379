#!/bin/sh
# Installs the npm packages of the lock files into node_modules.
set -eu

# Not `npm ci`: it refuses a lock file that lacks the optional binaries of other platforms, and a registry that does not
# carry those cannot produce any other. This installs the locked versions and leaves the lock file alone.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for folder in . tools/typedoc; do
    if ! (cd "$folder" && npm install --no-save --no-fund --no-audit) >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
done
: > node_modules/.ready
