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

if [ -z "${SKEP_BIN_DIR:-}" ]; then
    cargo build --locked -p skep-server -p skep-conformance -p skep-conformance-driver
    target=$(cargo metadata --no-deps --format-version 1 --locked |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    export SKEP_BIN_DIR=$target/debug
fi

languages=("$@")
if [ ${#languages[@]} = 0 ]; then
    for folder in tests/conformance/drivers/*/; do
        languages+=("$(basename "$folder")")
    done
fi
drivers=() others=()
for language in "${languages[@]}"; do
    # The check of each SDK builds its driver and says where it is; it says nothing, but that it is
    # skipped, where tools are missing.
    case $language in
    rust) command=$SKEP_BIN_DIR/skep-conformance-driver ;;
    *) command=$("scripts/sdk-$language.sh" --driver) ;;
    esac
    if [ -n "$command" ]; then
        drivers+=(--driver "$language=$command")
    fi
    if [ -n "$command" ] && [ "$language" = python ]; then
        # The blocking client is the same code: it has to pass, and proves nothing new.
        others+=(--driver "python-blocking=env SKEP_DRIVER_BLOCKING=1 $command")
    fi
done
if [ ${#drivers[@]} = 0 ]; then
    exit
fi

echo "-- scenarios"
"$SKEP_BIN_DIR/skep-conformance" "${drivers[@]}" "${others[@]}"
echo "-- planted faults"
"$SKEP_BIN_DIR/skep-conformance" --prove "${drivers[@]}"
