#!/bin/sh
# Makes the virtual environment .venv with the pinned development tools of Python.
set -eu
here=$(dirname "$0")
python=$("$here/python.sh") || { echo 'Python 3.11 or newer with venv is needed' >&2; exit 1; }

# An environment of a copied or moved clone, or of a Python that has gone, is of no use.
if ! .venv/bin/python -c 'import sys, os; sys.exit(os.path.realpath(sys.prefix) != os.path.realpath(".venv"))' 2>/dev/null; then
    rm -rf .venv
    "$python" -m venv .venv
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
: > .venv/.ready
