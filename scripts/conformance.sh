#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the conformance scenarios with the SDKs of all languages, or of those named, then proves that
# the scenarios find bugs, by planting some in each driver. See tests/conformance/README.md.
#
#   scripts/conformance.sh [LANGUAGE...]
#
# SKEP_BIN_DIR says where skepd, the runner and the driver for Rust are; unset: they are built.
# A language whose tools are missing is skipped, with CI=true an error.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { # what, why
    echo "SKIPPED: $1 ($2)" >&2
    echo "$1 ($2)" >>"${SKEP_SKIPS:-/dev/null}"
    if [ "${CI:-}" = true ]; then exit 1; fi
}

if [ -z "${SKEP_BIN_DIR:-}" ]; then
    cargo build --locked -p skep-server -p skep-conformance -p skep-conformance-driver
    target=$(cargo metadata --no-deps --format-version 1 --locked |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    export SKEP_BIN_DIR=$target/debug
fi

# Each language and how its driver is built; the command that starts it is printed, nothing if the
# language is skipped.
driver_rust() {
    echo "$SKEP_BIN_DIR/skep-conformance-driver"
}

driver_go() {
    local program=$PWD/.tools/driver-go/driver
    if ! command -v go >/dev/null 2>&1; then
        skip "conformance of the SDK for Go" "no go"
        return
    fi
    (cd tests/conformance/drivers/go && GOWORK=off GOFLAGS='' go build -o "$program" .)
    echo "$program"
}

driver_python() {
    scripts/sdk-python.sh --driver
}

driver_typescript() {
    scripts/sdk-typescript.sh --driver
}

languages=("$@")
if [ ${#languages[@]} = 0 ]; then
    for folder in tests/conformance/drivers/*/; do
        languages+=("$(basename "$folder")")
    done
fi
drivers=()
for language in "${languages[@]}"; do
    if ! declare -F "driver_$language" >/dev/null; then
        echo "there is no SDK for '$language'; say in scripts/conformance.sh how its driver is built" >&2
        exit 2
    fi
    command=$("driver_$language")
    if [ -n "$command" ]; then
        drivers+=(--driver "$language=$command")
    fi
done
if [ ${#drivers[@]} = 0 ]; then
    exit
fi

echo "-- scenarios"
"$SKEP_BIN_DIR/skep-conformance" "${drivers[@]}"
echo "-- planted faults"
"$SKEP_BIN_DIR/skep-conformance" --prove "${drivers[@]}"
