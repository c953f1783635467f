#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command beside a daemon of its own, told where it is by SKEP_HOST (its socket) and
# SKEP_DEV_HOST (its address); nothing is left of either.
#
#   SKEP_BIN_DIR=target/debug scripts/dev-daemon.sh COMMAND ARGS...
set -euo pipefail

skepd=$(realpath "${SKEP_BIN_DIR:?says where skepd is}")/skepd
folder=$(mktemp -d "${TMPDIR:-/tmp}/skep.XXXXXX")
daemon=
# shellcheck disable=SC2329  # the trap calls it
stop() {
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || true
        for _ in {1..100}; do
            kill -0 "$daemon" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$daemon" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# An address of its own: no other daemon of this machine is likely to have it.
address=127.$((RANDOM % 200 + 20)).$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1))
# Without --data-dir its tasks end with it.
env -u SKEPD_CONFIG TMPDIR="$folder" "$skepd" --dev --executor process \
    --dev-addr "$address:0" --node-addr "$address" --socket "$folder/skep.sock" \
    >"$folder/log" 2>&1 &
daemon=$!

deadline=$((SECONDS + 30))
until ready=$(cat "$folder"/*/ready.json 2>/dev/null); do
    if [ $SECONDS -ge $deadline ] || ! kill -0 "$daemon" 2>/dev/null; then
        echo "skepd did not start:" >&2
        cat "$folder/log" >&2
        exit 1
    fi
    sleep 0.05
done

SKEP_DEV_HOST=http://$(sed -n 's/.*"dev_addr": *"\([^"]*\)".*/\1/p' <<<"$ready")
SKEP_HOST=unix://$folder/skep.sock
export SKEP_HOST SKEP_DEV_HOST
status=0
timeout --kill-after=10s 5m "$@" || status=$?
if [ $status -ne 0 ]; then
    echo "the daemon's last lines:" >&2
    tail -n 20 "$folder/log" >&2
fi
exit $status
