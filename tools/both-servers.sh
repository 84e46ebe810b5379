#!/bin/sh
# The conformance suite and the random commands (SG_RANDOM_COMMANDS, 10,000 unless set) on a Redis and on a Valkey.
# Where only one of them is found it runs there, and says so: the other one is not proven then.
set -eu
harness=${CARGO_TARGET_DIR:-target}/debug/sg-test-server
SG_RANDOM_COMMANDS=${SG_RANDOM_COMMANDS:-10000}
export SG_RANDOM_COMMANDS
found=$("$harness" --find-both)
runs=0
# One line a server: name, version, path (which may hold spaces).
while read -r name version path; do
    [ -n "$path" ] || continue
    runs=$((runs + 1))
    echo "-- $name $version ($path), $SG_RANDOM_COMMANDS random commands"
    if cargo nextest --version >/dev/null 2>&1; then
        SG_TEST_SERVER=$path cargo nextest run -p stargazer-tests conformance </dev/null
    else
        SG_TEST_SERVER=$path cargo test --quiet -p stargazer-tests --test suite conformance </dev/null
    fi
done <<END
$found
END
case $runs in
    0) echo 'no server found' >&2; exit 1 ;;
    1) echo "!! only $(echo "$found" | cut -d' ' -f1,2) was found: the other server is NOT proven; install it, or name it in SG_TEST_SERVER" >&2 ;;
esac
