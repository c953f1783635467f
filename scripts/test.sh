#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the checks named as arguments, or all of them, and ends with a summary. Nothing that is
# checked is changed. A part that this machine cannot run is skipped and counted at the end; with
# CI=true a skip is a failure.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
if [ "${CI:-}" = true ]; then
    # Incremental builds pay off only when something is built twice.
    export CARGO_INCREMENTAL=0
fi
# Where tests that skip a part of themselves say so, a line each.
SKEP_SKIPS=$(mktemp) || exit 1
export SKEP_SKIPS
trap 'rm -f "$SKEP_SKIPS"' EXIT

skip() { # what, why
    echo "$1 ($2)" >>"$SKEP_SKIPS"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

check_format() {
    cargo fmt --all -- --check || return
    cargo fmt --manifest-path bench/Cargo.toml --all -- --check
}

check_clippy() {
    cargo clippy --workspace --all-targets --locked -- -D warnings || return
    # What measures is a workspace of its own, and has to go with the contract too.
    cargo clippy --manifest-path bench/Cargo.toml --workspace --all-targets --locked \
        --target-dir "${CARGO_TARGET_DIR:-target}" -- -D warnings
}

# Private items are documented too, so links to them lead somewhere.
check_docs() {
    RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
        cargo doc --workspace --no-deps --document-private-items --locked --quiet
}

check_tidy() {
    cargo run --quiet --locked -p xtask -- tidy
}

check_contract() {
    if have npm || have python3; then
        scripts/buf.sh
    else
        skip buf "neither npm nor python3"
    fi
}

check_shell() {
    if have shellcheck; then
        shellcheck -x -P SCRIPTDIR scripts/*.sh examples/*/*.sh tests/e2e/*.sh scripts/gen/protoc-python .ci/run
    else
        skip "shell scripts" "no shellcheck"
    fi
}

# Tests that start real programs take them from one folder, so those are built first, with the
# features that the whole workspace gives them.
check_build() {
    cargo build --workspace --locked
}

bin_dir() {
    cargo metadata --no-deps --format-version 1 --locked |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1\/debug/'
}

# The SDKs: what is generated for them, each of them as a user gets it, and the examples.
check_sdks() {
    local script failed=
    SKEP_BIN_DIR=$(bin_dir) || return
    export SKEP_BIN_DIR
    if have go && have npm && have python3; then
        scripts/gen-sdks.sh --check || failed=1
    else
        skip "generated code of the SDKs" "go, npm or python3 is missing"
    fi
    for script in scripts/sdk-*.sh scripts/examples-shell.sh; do
        "$script" || failed=1
    done
    [ -z "$failed" ]
}

# One set of scenarios for the SDKs of all languages, and the proof that it finds bugs.
check_conformance() {
    SKEP_BIN_DIR=$(bin_dir) || return
    export SKEP_BIN_DIR
    scripts/conformance.sh
}

# What `make demo` shows has to hold every time, with containers too where there can be an engine.
check_demo() {
    local bin why engine=() hello=''
    bin=$(bin_dir) || return
    if ! why=$(scripts/engine.sh --check 2>&1); then
        skip "demo of containers" "$why"
    elif ! hello=$(scripts/hello-static.sh); then
        skip "demo of containers" "no program can be linked statically"
    else
        engine=(scripts/engine.sh)
    fi
    SKEP_BIN_DIR=$bin SKEP_HELLO_STATIC=$hello timeout --kill-after=30s 5m \
        "${engine[@]}" scripts/demo.sh
}

check_tests() {
    SKEP_BIN_DIR=$(bin_dir) || return
    export SKEP_BIN_DIR
    # Where the C library is only there to be shared, tests of containers are skipped.
    SKEP_HELLO_STATIC=$(scripts/hello-static.sh) || SKEP_HELLO_STATIC=
    export SKEP_HELLO_STATIC
    if have go; then
        SKEP_GRPCURL=$(scripts/grpcurl.sh --path) || return
        export SKEP_GRPCURL
    fi
    if have npm || have python3; then
        SKEP_BUF=$(scripts/buf.sh --path) || return
        export SKEP_BUF
    fi
    cargo test --workspace --locked --no-fail-fast
}

# The simulation is worth what it finds: bugs that are planted in it, one at a time.
check_bugs() {
    scripts/sim-bugs.sh
}

summary=
failed=
run_check() {
    local name=$1 started=$SECONDS result=ok
    printf '\n== %s\n' "$name"
    if ! "check_$name"; then
        result=FAILED
        failed="$failed $name"
    fi
    summary+=$(printf '  %-10s %-7s %4d s' "$name" "$result" $((SECONDS - started)))$'\n'
}

all=(format clippy docs tidy contract shell build sdks conformance demo tests bugs)
for name in "${@:-${all[@]}}"; do
    if ! declare -F "check_$name" >/dev/null; then
        echo "there is no check '$name'; there are: ${all[*]}" >&2
        exit 2
    fi
    run_check "$name"
done

printf '\n== summary\n%s' "$summary"
skips=$(sort -u "$SKEP_SKIPS")
if [ -n "$skips" ]; then
    echo "SKIPPED $(wc -l <<<"$skips"): $(paste -sd, <<<"$skips" | sed 's/,/, /g')"
    if [ "${CI:-}" = true ]; then
        failed="$failed skips"
    fi
fi
if [ -n "$failed" ]; then
    echo "FAILED:$failed"
    exit 1
fi
echo "everything that ran passed"
