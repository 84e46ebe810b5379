#!/bin/sh
# Checks what has to be there before anything can be built, and names everything that is missing at once.
# Nothing is installed here: on a machine of somebody's own that is the owner's decision.

missing=''
apt='' dnf='' apk='' brew=''

# need NAME APT DNF APK BREW: notes one missing thing and the packages that hold it.
need() {
    missing="$missing
  - $1"
    apt="$apt $2" dnf="$dnf $3" apk="$apk $4" brew="$brew $5"
}

# at_least NAME FOUND WANTED: whether version FOUND (1.2.3) is WANTED (1.2) or newer.
at_least() {
    awk -v found="$1" -v wanted="$2" 'BEGIN {
        split(found, f, "."); split(wanted, w, ".")
        for (i = 1; i <= 2; i++) { if (f[i] + 0 > w[i] + 0) exit 0; if (f[i] + 0 < w[i] + 0) exit 1 }
        exit 0
    }'
}

rust=$(awk -F'"' '/^rust-version/ { print $2 }' Cargo.toml)
found=$(cargo --version 2>/dev/null | awk '{ print $2 }')
if [ -z "$found" ]; then
    rust_missing="Rust $rust or newer"
elif ! at_least "$found" "$rust"; then
    rust_missing="Rust $rust or newer (found $found)"
else
    rust_missing=''
fi

found=$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null)
if ! "$(dirname "$0")/python.sh" >/dev/null; then
    need "Python 3.11 or newer with venv${found:+ (python3 is $found, or its venv module is missing)}" \
        'python3 python3-venv' 'python3' 'python3' 'python@3.13'
fi

found=$(node --version 2>/dev/null | sed 's/^v//')
if [ -z "$found" ]; then
    need 'Node 20.17 or newer with npm (where the system has an older one: https://nodejs.org/en/download)' 'nodejs npm' 'nodejs npm' 'nodejs npm' 'node'
elif ! at_least "$found" 20.17; then
    need "Node 20.17 or newer (found $found; where the system's package is older: https://nodejs.org/en/download)" \
        'nodejs npm' 'nodejs npm' 'nodejs npm' 'node'
elif ! command -v npm >/dev/null 2>&1; then
    need 'npm' 'npm' 'nodejs-npm' 'npm' 'node'
fi

if ! command -v cc >/dev/null 2>&1; then
    need 'a C compiler (cc)' 'gcc libc6-dev' 'gcc' 'build-base' 'gcc'
fi

if [ -z "$missing" ] && [ -z "$rust_missing" ]; then
    exit 0
fi

{
    echo 'Missing on this machine:'
    [ -n "$rust_missing" ] && echo "  - $rust_missing"
    [ -n "$missing" ] && echo "$missing" | sed 1d
    echo
    echo 'To install:'
    if [ -n "$rust_missing" ]; then
        echo "  Rust      curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh      (then open a new shell)"
    fi
    if [ -n "$missing" ]; then
        echo "  apt       apt-get install$apt"
        echo "  dnf       dnf install$dnf"
        echo "  apk       apk add$apk"
        echo "  brew      brew install$brew"
    fi
} >&2
exit 1
