#!/bin/sh
# The Rust suites, with cargo-nextest where it is installed: each test in a process of its own.
set -eu
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run
    cargo test --quiet --doc
else
    cargo test --quiet
fi
