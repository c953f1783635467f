#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the examples for curl and grpcurl beside a daemon, at its socket and at its address, and uses
# them wrongly too.
#
#   SKEP_BIN_DIR=target/debug scripts/examples-shell.sh
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "examples-shell: $*" >&2
    exit 1
}

# What differs is the tool: what asks for the same JSON is one program.
for same in deploy.sh backup.sh; do
    cmp "examples/curl/$same" "examples/grpcurl/$same"
done

# What try-examples.sh runs: the programs by their names. A shell cannot trap the interrupts that were
# ignored when it began, as they are for what runs behind another shell.
programs() { # tool
    local file bin=$folder/$1
    mkdir -p "$bin"
    program() { # name, shell, file
        printf '#!/bin/sh\nexec env --default-signal=INT %s "%s" "$@"\n' "$2" "$3" >"$bin/$1"
        chmod +x "$bin/$1"
    }
    for file in examples/"$1"/*_*.sh examples/"$1"/{quickstart,deploy,backup}.sh; do
        program "$(basename "$file" .sh)" sh "$PWD/$file"
    done
    # In another shell, and from a folder that a user copied.
    cp -r "examples/$1" "$folder/user-$1"
    program quickstart-user bash "$folder/user-$1/quickstart.sh"
}

# says WORDS PROGRAM ARGS...: the program fails, and says so.
says() {
    local words=$1 out
    shift
    echo "$*"
    if out=$(timeout --kill-after=5s 60s "$@" 2>&1); then
        fail "$* ended well: $out"
    fi
    grep -qF -- "$words" <<<"$out" || fail "$* did not say '$words': $out"
}

# Wrong addresses, wrong words, a name that is taken.
misuse() { # tool
    local bin=$folder/$1
    says 'no skep daemon answers at unix:///' "$bin/quickstart" -H "unix://$folder/none.sock"
    says 'no skep daemon answers at http://' "$bin/backup" -H "http://${SKEP_DEV_HOST##*/}0" save x
    says "bad host 'localhost:1'" "$bin/deploy" -H localhost:1 x.json
    says 'usage: rolling_update.sh' "$bin/rolling_update" web GREETING
    says 'usage: watch_tasks.sh' "$bin/watch_tasks" --help
    says 'none.json' "$bin/deploy" "$folder/none.json"
    says 'there is no service "none"' "$bin/rolling_update" none A=b

    echo "{\"name\": \"quickstart-$1\", \"template\": {\"process\": {\"command\": [\"/bin/sleep\", \"600\"]}}}" \
        >"$folder/taken.json"
    "$bin/deploy" "$folder/taken.json"
    says "\"quickstart-$1\"" "$bin/quickstart"
    # What another program made is still there.
    "$bin/backup" save "$folder/services.txt"
    grep -q "quickstart-$1" "$folder/services.txt" || fail "quickstart removed what it did not make"
}

# Runs itself beside a daemon, which says where it is.
if [ "${1:-}" = --beside ]; then
    tool=$2
    programs "$tool"
    scripts/try-examples.sh "$folder/$tool"
    "$folder/$tool/quickstart" -H "$SKEP_DEV_HOST"
    misuse "$tool"
    exit
fi

for tool in curl jq go; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "SKIPPED: examples for curl and grpcurl (no $tool)" >&2
        echo "examples for curl and grpcurl (no $tool)" >>"${SKEP_SKIPS:-/dev/null}"
        if [ "${CI:-}" = true ]; then exit 1; else exit 0; fi
    fi
done
grpcurl=$(scripts/grpcurl.sh --path)
export PATH=${grpcurl%/*}:$PATH
for tool in curl grpcurl; do
    echo "-- the examples for $tool beside a daemon"
    scripts/dev-daemon.sh scripts/examples-shell.sh --beside "$tool"
done
