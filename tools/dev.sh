#!/bin/sh
# Builds `stargazer` and plays a conversation through `stargazer dev`; on a terminal it stays as a chat.
set -eu
stargazer=${CARGO_TARGET_DIR:-target}/debug/stargazer
"$(dirname "$0")/step.sh" 'building stargazer' cargo build --quiet -p stargazer-services --bin stargazer
if ! "$stargazer" dev --help >/dev/null 2>&1; then
    echo '`stargazer dev` does not exist in this version' >&2
    exit 1
fi
exec "$stargazer" dev --demo
