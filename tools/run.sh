#!/bin/sh
# Runs a Python program of the repository with the packages built here. Usage: run.sh PROGRAM [ARGUMENT...]
program=$1
shift
if [ ! -f "$program" ]; then
    echo "$program does not exist in this version" >&2
    exit 1
fi
exec .venv/bin/python "$program" "$@"
