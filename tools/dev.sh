#!/bin/sh
# Builds `stargazer` and plays a conversation through `stargazer dev`; on a terminal it stays as a chat.
set -eu
stargazer=${CARGO_TARGET_DIR:-target}/debug/stargazer
"$(dirname "$0")/step.sh" 'building stargazer' cargo build --quiet -p stargazer-services --bin stargazer
if ! "$stargazer" dev --help >/dev/null 2>&1; then
    echo '`stargazer dev` does not exist in this version' >&2
    exit 1
fi
# With job control the chat has the terminal to itself: Ctrl-C ends the chat, and is not an error to make.
if [ -t 0 ]; then
    set -m
fi
"$stargazer" dev --demo
