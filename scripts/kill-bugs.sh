#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves that killing real programs finds what it is there for: builds them with one bug after
# the other, planted behind `cfg(skep_kill_bug = "...")`, and expects the test to fail each time.
# Names bugs as arguments, or takes all that the lints of the workspace know.
#
# Every bug means building nearly all of skep again, so this is run by hand; `make sim-bugs` is
# the quick one.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${SKEP_BUGS_TARGET:-target/kill-bugs}
mkdir -p "$target"
target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=0 SKEP_BIN_DIR=$target/debug

# Cargo calls this in place of rustc, for crates of this workspace only.
wrapper=$target/with-kill-bug
cat >"$wrapper" <<'WRAPPER'
#!/bin/sh
exec "$@" --cfg "skep_kill_bug=\"$SKEP_KILL_BUG\""
WRAPPER
chmod +x "$wrapper"
export RUSTC_WORKSPACE_WRAPPER=$wrapper

if [ $# -gt 0 ]; then
    bugs=("$@")
else
    known=$(sed -n 's/.*cfg(skep_kill_bug, values(\([^)]*\)).*/\1/p' Cargo.toml | tr -d '" ')
    IFS=, read -ra bugs <<<"$known"
fi

missed=
for bug in "${bugs[@]}"; do
    started=$SECONDS
    export SKEP_KILL_BUG=$bug
    # Cargo does not know that the wrapper says something else now.
    cargo clean --quiet -p skep-core -p skep-store
    cargo build --quiet --locked --workspace --bins
    log=$target/$bug.log
    if cargo test --quiet --locked -p skep-tests --test it kill:: >"$log" 2>&1; then
        missed="$missed $bug"
        found="MISSED"
    else
        # What the test found stands in the line after the one that says where.
        found=$(grep -A 3 'panicked at' "$log" | grep -v 'panicked at' | head -n 1 | cut -c 1-110 || true)
        if [ -z "$found" ]; then
            missed="$missed $bug"
            found="failed for another reason, see $log"
        fi
    fi
    printf '%-16s %3d s  %s\n' "$bug" $((SECONDS - started)) "$found"
done
if [ -n "$missed" ]; then
    echo "killing programs does not find:$missed" >&2
    exit 1
fi
echo "every planted bug was found"
