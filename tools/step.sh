#!/bin/sh
# Runs one step and names it. Usage: step.sh NAME COMMAND [ARGUMENT...]
name=$1
shift
echo "== $name"
"$@"
code=$?
if [ "$code" -ne 0 ]; then
    echo "!! failed: $name" >&2
fi
exit "$code"
