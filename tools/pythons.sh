#!/bin/sh
# Prints a command for every Python from 3.10 on that is found here, oldest first.
for minor in 10 11 12 13 14; do
    for candidate in "python3.$minor" "$HOME/.pyenv/versions/3.$minor."*/bin/python; do
        if "$candidate" -c "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, $minor))" >/dev/null 2>&1; then
            echo "$candidate"
            break
        fi
    done
done
