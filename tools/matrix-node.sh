#!/bin/sh
# The Node suite on the runtimes beside the one that is installed: each comes as an npm package. Their versions stand here.
set -eu
case $(uname -s)-$(uname -m) in
    Linux-x86_64) on=linux-x64 ;;
    Linux-aarch64) on=linux-arm64 ;;
    Darwin-arm64) on=darwin-arm64 ;;
    *) echo "no npm packages of Node for $(uname -s) $(uname -m)" >&2; exit 1 ;;
esac
case $on in
    *-arm64) bun=${on%-arm64}-aarch64 ;;
    *) bun=$on ;;
esac

# runtime PACKAGE VERSION COMMAND: installs it and prints where it is.
runtime() {
    folder=.cache/runtimes/$2
    mkdir -p "$folder"
    [ -f "$folder/package.json" ] || echo '{ "private": true }' >"$folder/package.json"
    [ -x "$folder/node_modules/$1/bin/$3" ] ||
        npm install --prefix "$folder" --silent --no-save --no-audit --no-fund "$1@$2" >&2
    echo "$folder/node_modules/$1/bin/$3"
}

rm -rf tests/node/build
node_modules/.bin/tsc -p tests/node/tsconfig.json
ran=''
for version in 22.23.3 24.21.0; do
    node=$(runtime "node-$on" "$version" node)
    echo "-- Node $("$node" --version)"
    "$node" --test --test-timeout=60000 --test-reporter=dot tests/node/build/node/*.test.mjs
    ran="$ran node-$version"
done
bun=$(runtime "@oven/bun-$bun" 1.4.5 bun)
echo "-- Bun $("$bun" --version)"
"$bun" test --timeout 60000 ./tests/node/build/node/*.test.mjs
echo "the Node suite passed on:$ran bun-1.4.5"
