#!/bin/sh
# Formatting, lints, types and generated files of all three languages. Every step runs; the ones that failed are named at the end.
failed=''

check() {
    name=$1
    shift
    echo "== $name"
    "$@" || failed="$failed
  - $name"
}

# Whether what the build generates is what is committed (or staged). Without git there is nothing to compare with.
generated() {
    cargo metadata --locked --format-version 1 >/dev/null || return 1
    git rev-parse --git-dir >/dev/null 2>&1 || return 0
    git diff --exit-code -- bindings/node/native.d.cts || {
        echo 'the build changed this file: look at it, then git add it' >&2
        return 1
    }
}

types_of_node_tests() {
    node_modules/.bin/tsc -p tests/node/tsconfig.json --noEmit
}

documented_in_node() {
    (cd bindings/node && ../../tools/typedoc/node_modules/.bin/typedoc --logLevel Warn)
}

python=.venv/bin/python
check 'rustfmt' cargo fmt --check
check 'clippy' cargo clippy --quiet --workspace --all-targets -- -D warnings
check 'ruff' "$python" -m ruff check --quiet
check 'ruff format' "$python" -m ruff format --check --quiet
check 'mypy' "$python" -m mypy
check 'mypy, oldest Python' "$python" -m mypy --python-version 3.10 bindings/python/python
check 'pyright' node_modules/.bin/pyright --warnings
check 'types as they are at run time' "$python" -m mypy.stubtest --allowlist tools/stubtest.txt stargazer_core
check 'biome' node_modules/.bin/biome ci --colors=off --log-level=warn
check 'types of the Node tests' types_of_node_tests
check 'every part of the Node package documented' documented_in_node
check 'generated files' generated

if [ -n "$failed" ]; then
    echo "make check failed in:$failed" >&2
    exit 1
fi
