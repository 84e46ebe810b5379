#!/bin/sh
# Fuzzes the targets of chaos/src/fuzz, one after the other. Usage: fuzz.sh SECONDS [TARGET...]
#
# The programs are built with the stable compiler: RUSTC_BOOTSTRAP=1 lets it take the one flag that it otherwise
# reserves, that of the address sanitizer. New inputs go to .cache/fuzz/corpus; what breaks a target is written to
# .cache/fuzz/found, to be mended and then kept in fuzz/corpus/TARGET under a name that says what it was.
set -eu
seconds=$1
shift
[ $# -gt 0 ] || set -- $(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' fuzz/Cargo.toml)
host=$(rustc --version --verbose | sed -n 's/^host: //p')
cache=$PWD/.cache/fuzz

coverage='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
 -Cllvm-args=-sanitizer-coverage-trace-compares'
RUSTC_BOOTSTRAP=1 RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Ccodegen-units=1 $(echo "$coverage" | tr -d '\n')" \
    cargo build --quiet --release --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$cache/target"

mkdir -p "$cache/found"
for target in "$@"; do
    mkdir -p "$cache/corpus/$target"
    echo "== $target for $seconds s"
    "$cache/target/$host/release/$target" "$cache/corpus/$target" "fuzz/corpus/$target" \
        -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256 \
        -artifact_prefix="$cache/found/$target-" -print_final_stats=1 -verbosity=1 2>"$cache/$target.log" || {
        grep -A 3 -E 'panicked at|ERROR: |SUMMARY: ' "$cache/$target.log" >&2 || tail -n 20 "$cache/$target.log" >&2
        echo "!! $target does not hold; the input is in .cache/fuzz/found" >&2
        exit 1
    }
    sed -n 's/^stat::number_of_executed_units: */   inputs tried: /p' "$cache/$target.log"
    grep -o 'cov: [0-9]*' "$cache/$target.log" | tail -n 1 | sed 's/^/   /'
done
