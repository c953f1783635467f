#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures what the SDKs cost over their own generated stubs, and grpcurl beside the CLI, against a
# daemon of its own. What it needs and how to read it: bench/README.md.
#
#   SKEP_BIN_DIR=target/release scripts/bench-sdks.sh [--rounds N] [--seconds N] [LANGUAGE...]
#
# LANGUAGE is go, python (blocking), asyncio (the other client for Python), typescript, rust or
# grpcurl; without one, all. With LOCK=file each row waits until it has that file to itself.
set -euo pipefail
cd "$(dirname "$0")/.."

languages=(go python asyncio typescript rust grpcurl)
rows=(get-1 get-16 watch)
cold_runs=20

# A command, started over and over: the least, the median and the most of its milliseconds.
if [ "${1:-}" = --cold ]; then
    shift
    for _ in $(seq "$cold_runs"); do
        began=$EPOCHREALTIME
        "$@" >/dev/null
        echo $((${EPOCHREALTIME/./} - ${began/./}))
    done | sort -n | awk '{took[NR] = $1 / 1000}
        END {printf "%.1f %.1f %.1f\n", took[1], took[int((NR + 1) / 2)], took[NR]}'
    exit
fi

# The rounds of one language or of grpcurl, beside the daemon that dev-daemon.sh runs.
if [ "${1:-}" = --beside-daemon ]; then
    rounds=$2 seconds=$3 name=$4 program=$5
    alone() { # command
        if [ -n "${LOCK:-}" ]; then flock "$LOCK" "$@"; else "$@"; fi
    }
    if [ "$name" = grpcurl ]; then
        for _ in 1 2 3; do
            echo "grpcurl-ListServices $(alone "$0" --cold "$program" -plaintext \
                "$SKEP_HOST" skep.v1.ServiceService/ListServices)"
            echo "skep-service-ls $(alone "$0" --cold "$SKEP_BIN_DIR/skep" service ls)"
        done
        exit
    fi
    for row in "${rows[@]}"; do
        # The history that is watched is made by the first run, which is not counted.
        "$program" "$row" 0.1 1 >/dev/null
        alone "$program" "$row" "$seconds" "$rounds" | sed "s/^/$row /"
    done
    exit
fi

rounds=30 seconds=0.2
while [[ ${1:-} == --* ]]; do
    case $1 in
    --rounds) rounds=$2 ;;
    --seconds) seconds=$2 ;;
    *) sed -n '3,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;;
    esac
    shift 2
done
[ $# -eq 0 ] || languages=("$@")
: "${SKEP_BIN_DIR:?says where skepd and skep are}"
SKEP_BIN_DIR=$(realpath "$SKEP_BIN_DIR")
export SKEP_BIN_DIR

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Each gives the program that measures.
build_go() {
    (cd bench/sdks/go && GOWORK=off GOFLAGS=-buildvcs=false go build -o "$folder/go" .)
    echo "$folder/go"
}
build_python() { # the file that measures
    local installed
    installed=$(dirname "$(scripts/sdk-python.sh --driver)")
    printf '#!/bin/sh\nexec "%s/bin/python" -B "%s/bench/sdks/python/%s" "$@"\n' \
        "$installed" "$PWD" "${1:-measure.py}" >"$folder/python"
    chmod +x "$folder/python"
    echo "$folder/python"
}
build_asyncio() {
    build_python measure_asyncio.py
}
build_typescript() {
    local installed tools
    installed=$(dirname "$(scripts/sdk-typescript.sh --driver)")
    tools=$PWD/.tools/sdk-typescript-$(cksum <sdk/typescript/package-lock.json | cut -d' ' -f1)
    mkdir "$folder/ts"
    cp bench/sdks/typescript/{measure.ts,package.json,tsconfig.json} "$folder/ts"
    ln -s "$installed/node_modules" "$folder/ts/node_modules"
    (cd "$folder/ts" && "$tools/node_modules/.bin/tsc" >&2)
    printf '#!/bin/sh\nexec node "%s/ts/build/measure.js" "$@"\n' "$folder" >"$folder/typescript"
    chmod +x "$folder/typescript"
    echo "$folder/typescript"
}
build_rust() {
    local target
    target=$(cargo metadata --no-deps --format-version 1 --locked |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    cargo build --release --locked --quiet --manifest-path bench/Cargo.toml \
        --package skep-bench-sdks --target-dir "$target"
    echo "$target/release/skep-bench-sdks"
}
build_grpcurl() {
    scripts/grpcurl.sh --path
}

# Of lines "ROW bare RATE CPU", "ROW sdk RATE CPU" by turns: each part of the SDK against the mean of
# the two around it, and of these pairs the median; of the CPU ratios the middle half too.
summarize() { # language
    awk -v language="$1" '
        # The value below which such a part of the list lies.
        function quantile(list, of, count, part,    i, j, held, at) {
            for (i = 2; i <= count; i++)
                for (j = i; j > 1 && list[of, j] < list[of, j - 1]; j--) {
                    held = list[of, j]; list[of, j] = list[of, j - 1]; list[of, j - 1] = held
                }
            at = 1 + part * (count - 1)
            return list[of, int(at)] + (at - int(at)) * (list[of, int(at + 0.999)] - list[of, int(at)])
        }
        $1 != row { row = $1; order[++rows] = row; n = 0 }
        $2 == "sdk" { sdk_rate = $3; sdk_used = $4; next }
        sdk_rate {
            n = ++rounds[row]
            bare[row, n] = (rate_before + $3) / 2; sdk[row, n] = sdk_rate
            bare_cpu[row, n] = (used_before + $4) / 2; sdk_cpu[row, n] = sdk_used
            rate[row, n] = sdk_rate / bare[row, n]; cpu[row, n] = sdk_used / bare_cpu[row, n]
            layer[row, n] = sdk_used - bare_cpu[row, n]
        }
        { rate_before = $3; used_before = $4; sdk_rate = 0 }
        END {
            for (i = 1; i <= rows; i++) {
                row = order[i]; n = rounds[row]
                printf "| %s | %s | %.0f | %.0f | %.2f | %.1f | %.1f | %.1f | %.2f (%.2f to %.2f) |\n",
                    language, row, quantile(bare, row, n, 0.5), quantile(sdk, row, n, 0.5),
                    quantile(rate, row, n, 0.5), quantile(bare_cpu, row, n, 0.5),
                    quantile(sdk_cpu, row, n, 0.5), quantile(layer, row, n, 0.5),
                    quantile(cpu, row, n, 0.5), quantile(cpu, row, n, 0.25), quantile(cpu, row, n, 0.75)
            }
        }'
}

head='| SDK | row | bare, 1/s | SDK, 1/s | ratio | bare, µs | SDK, µs | layer, µs | CPU ratio (middle half) |'
for language in "${languages[@]}"; do
    program=$("build_$language")
    scripts/dev-daemon.sh scripts/bench-sdks.sh --beside-daemon "$rounds" "$seconds" "$language" \
        "$program" | tee "$folder/$language.lines" >&2
    if [ "$language" = grpcurl ]; then
        printf '\n| cold, over the socket | least ms | p50 ms | most ms |\n|---|---|---|---|\n'
        awk '{printf "| %s | %s | %s | %s |\n", $1, $2, $3, $4}' "$folder/$language.lines"
    else
        [ -z "$head" ] || printf '%s\n|---|---|---|---|---|---|---|---|---|\n' "$head"
        head=
        summarize "$language" <"$folder/$language.lines"
    fi
done
