#!/bin/sh
# The Rust suites, with cargo-nextest where it is installed: each test in a process of its own.
set -eu
# What is built by default, and the proofs.
set -- -p stargazer-core -p stargazer-services -p stargazer-scripted-model -p stargazer-tests -p stargazer-chaos
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run "$@"
    cargo test --quiet --doc
else
    cargo test --quiet "$@"
fi
