#!/bin/sh
# Installs what the benchmark measures beside us: each folder of benches/peers that names packages gets a folder of its own in
# .cache/benches. What cannot be installed is told, and its rows are "not run": a benchmark of the rest is still one.
set -u
here=$(dirname "$0")
peers=benches/peers
cache=$PWD/.cache/benches
log=$(mktemp)
trap 'rm -f "$log"' EXIT
mkdir -p "$cache"

# peer NAME COMMAND [ARGUMENT...]: one attempt.
peer() {
    name=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        echo "$name could not be installed, so its rows will be missing:" >&2
        tail -5 "$log" >&2
    fi
}

# in_python NAME: the packages of its requirements.txt, in an environment of their own.
in_python() {
    python=$("$here/python.sh") || return 1
    environment=$cache/$1
    list=$peers/$1/requirements.txt
    # Made anew when it has moved or its Python has gone.
    if ! "$environment/bin/python" -c 'import sys, os; sys.exit(os.path.realpath(sys.prefix) != os.path.realpath(sys.argv[1]))' "$environment"; then
        rm -rf "$environment"
        "$python" -m venv "$environment" || return 1
    fi
    cmp -s "$list" "$environment/installed.txt" && return 0
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list" && cp "$list" "$environment/installed.txt"
}

# in_node NAME: the packages of its lock file. No script of theirs runs.
in_node() {
    folder=$cache/$1
    cmp -s "$peers/$1/package-lock.json" "$folder/node_modules/.installed" && return 0
    rm -rf "$folder" && mkdir -p "$folder" || return 1
    cp "$peers/$1/package.json" "$peers/$1/package-lock.json" "$peers/$1/.npmrc" "$folder" || return 1
    (cd "$folder" && npm install --no-save --ignore-scripts --no-fund --no-audit) || return 1
    cp "$peers/$1/package-lock.json" "$folder/node_modules/.installed"
}

# in_rust NAME: a program of its own workspace and lock file.
in_rust() {
    CARGO_TARGET_DIR=$cache/$1 cargo build --quiet --release --locked --manifest-path "$peers/$1/Cargo.toml"
}

for folder in "$peers"/*/; do
    name=$(basename "$folder")
    if [ -f "$folder/requirements.txt" ]; then
        peer "$name" in_python "$name"
    elif [ -f "$folder/package.json" ]; then
        peer "$name" in_node "$name"
    elif [ -f "$folder/Cargo.toml" ]; then
        peer "$name" in_rust "$name"
    fi
done
exit 0
