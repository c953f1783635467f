#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds what is measured and what measures, and runs it.
#
#   scripts/bench.sh [flags] [row...]     see: scripts/bench.sh --help
#
# With ETCD the peer is taken from there. With FIRST=1, as root, the kernel lets the measurement
# go before all else that runs on the machine, for machines that are not quiet.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(cargo metadata --no-deps --format-version 1 --locked |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
cargo build --release --locked --quiet --package skep-server
cargo build --release --locked --quiet --manifest-path bench/Cargo.toml --target-dir "$target"

said="make bench"
[ $# -eq 0 ] || said="scripts/bench.sh $*"
command=("$target/release/skep-bench" --skepd "$target/release/skepd"
    --scratch "$target/bench-scratch" --command "$said" ${ETCD:+--etcd "$ETCD"} "$@")
if [ "${FIRST:-}" = 1 ]; then
    # Niceness between sessions is that of their autogroups, see sched(7).
    # shellcheck disable=SC2016
    exec setsid --wait bash -c 'echo -18 >/proc/self/autogroup; exec "$@"' bench "${command[@]}"
fi
exec "${command[@]}"
