#!/bin/sh
# Messages through faults on a real server.
# Usage: chaos.sh SEED MESSAGES FAULTS SUBJECT ORDERING [ARGUMENT...]; FAULTS comma-separated, '' for all.
# PROOF=dev takes the build of the tests, which is slower and there already.
set -eu
seed=$1 messages=$2 faults=$3 subject=$4 ordering=$5
shift 5
if [ -n "$faults" ]; then
    set -- --faults "$faults" "$@"
fi
folder=target/chaos/$seed
mkdir -p target/chaos
exec cargo run --quiet --profile "${PROOF:-simulate}" -p stargazer-chaos -- run --seed "$seed" --messages "$messages" --subject "$subject" \
    --ordering "$ordering" --folder "$folder" --result "$folder.json" "$@"
