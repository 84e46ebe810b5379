#!/bin/sh
# Builds the native module of the Python package into .venv. Usage: extension.sh [dev|release]
set -eu
package=bindings/python/python/stargazer_core

# A module built for one version of Python wins over the abi3 one on import and silently runs old code.
for stale in "$package"/_native*.so "$package"/_native*.pyd; do
    case $stale in
        */_native.abi3.so | */_native.pyd) ;;
        *) rm -f "$stale" ;;
    esac
done

log=.venv/extension.log
if ! .venv/bin/python -m maturin develop --profile "${1:-dev}" >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
