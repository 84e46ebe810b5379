#!/bin/sh
# Builds the wheel into dist/ and tries it as those do who install it: whether it is one wheel for every Python, how big it
# is, in a clean environment of every Python from 3.10 on that is found, and with the types that a strict checker sees.
set -eu
here=$(dirname "$0")
limit=6000000

rm -rf dist/wheel
log=.venv/wheel.log
.venv/bin/python -m maturin build --release --out dist/wheel >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
wheel=$(echo dist/wheel/*.whl)
size=$(wc -c <"$wheel" | tr -d ' ')
echo "$wheel: $size bytes"
[ "$size" -le "$limit" ] || { echo "the wheel is bigger than $limit bytes" >&2; exit 1; }

# What it says of itself: nothing outside the stable interface of Python 3.10.
auditor=.cache/auditor
[ -x "$auditor/bin/abi3audit" ] || {
    rm -rf "$auditor"
    "$("$here/python.sh")" -m venv "$auditor"
    "$auditor/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements-wheel.txt"
}
"$auditor/bin/abi3audit" --strict --summary --assume-minimum-abi3 3.10 "$wheel"

for python in $("$here/pythons.sh"); do
    clean=.cache/clean/$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    rm -rf "$clean"
    "$python" -m venv "$clean"
    "$clean/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel"
    said=$("$clean/bin/python" -W error examples/hello/hello.py)
    [ "$said" = 'Berlin? 21 °C' ] || { echo "hello.py said: $said" >&2; exit 1; }
    echo "runs on $("$python" --version)"
done

# The types reach those who install it.
"$clean/bin/python" -m pip install --quiet --disable-pip-version-check "$(grep '^mypy==' "$here/requirements.txt")"
(cd .cache && "../$clean/bin/python" -m mypy --strict --config-file= ../examples/hello/hello.py)

# Every public name has a type that no checker has to guess.
PATH="$PWD/$clean/bin:$PATH" node_modules/.bin/pyright --ignoreexternal --verifytypes stargazer_core >"$log" || { cat "$log" >&2; exit 1; }
tail -n 3 "$log" | sed -n 's/^Type completeness/type completeness/p'

# And from source, as `pip install` of this repository does it.
rm -rf .cache/clean/source
"$("$here/python.sh")" -m venv .cache/clean/source
.cache/clean/source/bin/python -m pip install --quiet --disable-pip-version-check .
.cache/clean/source/bin/python examples/hello/hello.py
