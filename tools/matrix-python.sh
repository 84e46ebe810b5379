#!/bin/sh
# The Python suite on every Python from 3.10 on that is found here, over the installed wheel.
set -eu
here=$(dirname "$0")
wheel=$(echo dist/wheel/*.whl)
[ -f "$wheel" ] || { echo 'no wheel: make wheel' >&2; exit 1; }

ran=''
for python in $("$here/pythons.sh"); do
    version=$("$python" -c 'import platform; print(platform.python_version())')
    environment=.cache/matrix/$version
    [ -x "$environment/bin/python" ] || "$python" -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements-suite.txt"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheel"
    echo "-- Python $version"
    "$environment/bin/python" -m pytest -q tests/python
    ran="$ran $version"
done
echo "the Python suite passed on:$ran"
