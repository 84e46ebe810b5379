#!/bin/sh
# Lays out in dist/npm what is published: a package per platform, those addons in it that are there, and the package that
# names them all.
set -eu
rm -rf dist/npm bindings/node/npm
mkdir -p dist/npm
# It writes beside the manifest only.
log=node_modules/.pack.log
(cd bindings/node && ../../node_modules/.bin/napi create-npm-dirs --npm-dir npm) >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
mv bindings/node/npm dist/npm/platforms
node tools/npm-stage.mjs dist/npm
