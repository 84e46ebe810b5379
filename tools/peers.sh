#!/bin/sh
# Installs what the benchmark measures beside us in Python and Node. What cannot be installed is told, and its rows are
# "not run": a benchmark of the rest is still one.
set -u
here=$(dirname "$0")
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# peer NAME COMMAND [ARGUMENT...]: one attempt.
peer() {
    name=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        echo "the rivals in $name could not be installed, so their rows will be missing:" >&2
        tail -5 "$log" >&2
    fi
}

in_python() {
    python=$("$here/python.sh") || return 1
    environment=.cache/peers/python
    list=benches/peers/python/requirements.txt
    # Made anew when it has moved or its Python has gone.
    if ! "$environment/bin/python" -c 'import sys, os; sys.exit(os.path.realpath(sys.prefix) != os.path.realpath(sys.argv[1]))' "$environment"; then
        rm -rf "$environment"
        "$python" -m venv "$environment" || return 1
    fi
    cmp -s "$list" "$environment/installed.txt" && return 0
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list" && cp "$list" "$environment/installed.txt"
}

in_node() {
    cd benches/peers/node || return 1
    cmp -s package-lock.json node_modules/.installed && return 0
    npm install --no-save --no-fund --no-audit && cp package-lock.json node_modules/.installed
}

peer Python in_python
(peer Node in_node)
exit 0
