#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves that the simulation sees: builds it with one bug after the other, planted behind
# `cfg(skep_bug = "...")`, and expects a world to go wrong each time. Names bugs as arguments, or takes
# all that the lints of the workspace know.
#
# The builds have a directory of their own, and only the crates that may hold a bug, with what
# is built on them, are built again for the next one.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${SKEP_BUGS_TARGET:-target/bugs}
mkdir -p "$target"
target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=0

# Cargo calls this in place of rustc, for crates of this workspace only.
wrapper=$target/with-bug
cat >"$wrapper" <<'WRAPPER'
#!/bin/sh
exec "$@" --cfg "skep_bug=\"$SKEP_BUG\""
WRAPPER
chmod +x "$wrapper"
export RUSTC_WORKSPACE_WRAPPER=$wrapper

if [ $# -gt 0 ]; then
    bugs=("$@")
else
    known=$(sed -n 's/.*cfg(skep_bug, values(\([^)]*\)).*/\1/p' Cargo.toml | tr -d '" ')
    IFS=, read -ra bugs <<<"$known"
fi

missed=
for bug in "${bugs[@]}"; do
    started=$SECONDS
    export SKEP_BUG=$bug
    # Cargo does not know that the wrapper says something else now.
    cargo clean --quiet -p skep-core -p skep-store -p skep-wire -p skep-tests
    cargo build --quiet --locked -p skep-tests --bin skep-sim
    log=$target/$bug.log
    if "$target/debug/skep-sim" >"$log" 2>&1; then
        missed="$missed $bug"
        found="MISSED"
    else
        found=$(sed -n 's/^\(seed [0-9]*: .*\)/\1/p' "$log" | head -n 1 | cut -c 1-110)
        if [ -z "$found" ]; then
            missed="$missed $bug"
            found="failed for another reason, see $log"
        fi
    fi
    printf '%-16s %3d s  %s\n' "$bug" $((SECONDS - started)) "$found"
done
if [ -n "$missed" ]; then
    echo "the simulation does not find:$missed" >&2
    exit 1
fi
echo "every planted bug was found"
