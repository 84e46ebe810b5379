#!/bin/sh
# Compiles the Node tests and runs them; the names of those that ran are kept for the scenario check.
set -eu
rm -rf tests/node/build
node_modules/.bin/tsc -p tests/node/tsconfig.json
node --test --test-timeout=60000 \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination=tests/node/build/results.tap \
    tests/node/build/node/*.test.mjs
