#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command with a Docker engine of its own, which DOCKER_HOST names, and takes the engine
# away again, however the command ends:
#
#     scripts/engine.sh scripts/demo.sh
#     scripts/engine.sh bash
#
# The engine is the dockerd of PATH; scripts/engine-bin.sh has newer ones.
#
# It needs root, Debian's docker.io and iproute2, and control groups (cgroupfs-mount mounts them).
#
#     scripts/engine.sh --check     only says what is missing, and fails if something is
set -euo pipefail

missing() {
    [ "$(id -u)" = 0 ] || { echo "not root" && return; }
    local program
    for program in dockerd docker containerd ip; do
        command -v "$program" >/dev/null || { echo "no $program" && return; }
    done
    [ -e /sys/fs/cgroup/memory ] || [ -e /sys/fs/cgroup/cgroup.controllers ] ||
        echo "no control groups; cgroupfs-mount mounts them"
}

why=$(missing)
if [ -n "$why" ] || [ "${1:-}" = --check ]; then
    [ -z "$why" ] || { echo "engine: $why" >&2 && exit 1; }
    exit 0
fi
[ $# -gt 0 ] || { echo "usage: scripts/engine.sh --check | COMMAND [ARGUMENT...]" >&2 && exit 2; }

# A short path: that of a socket has a limit.
folder=$(mktemp -d /tmp/ske-XXXXXX)
engine='' bridge=''

gone() { ! kill -0 "$engine" 2>/dev/null; }

cleanup() {
    local status=$? left place
    trap - EXIT
    trap '' INT TERM HUP
    if [ -n "$engine" ] && ! gone; then
        left=$(docker ps -aq 2>/dev/null) || left=
        # shellcheck disable=SC2086 # One word for each container.
        [ -z "$left" ] || docker rm -fv $left >/dev/null 2>&1 || true
        kill -TERM "$engine"
        for _ in {1..300}; do
            if gone; then break; fi
            sleep 0.1
        done
        gone || kill -KILL "$engine"
    fi
    while read -r place; do umount -l "$place"; done < <(
        awk -v folder="$folder/" 'index($2, folder) == 1 { print $2 }' /proc/self/mounts | tac
    )
    [ -z "$bridge" ] || ip link del "$bridge"
    rm -rf "$folder"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A bridge with a name and addresses that nobody has: whoever makes the one of a number has both.
for number in $(shuf -i 0-255); do
    # With an address of its own: else it changes as containers come and go, and loses packets.
    own=$(printf '02:73:6b:65:6f:%02x' "$number")
    ip link add name "skep-own-$number" address "$own" type bridge 2>/dev/null || continue
    bridge=skep-own-$number
    ip addr add "10.214.$number.1/24" dev "$bridge"
    ip link set "$bridge" up
    break
done
[ -n "$bridge" ] || { echo "engine: every bridge is taken" >&2 && exit 1; }

echo '{}' >"$folder/daemon.json"
export DOCKER_HOST=unix://$folder/s
# In a session of its own, so that Ctrl-C reaches the command alone.
setsid dockerd --config-file "$folder/daemon.json" --data-root "$folder/data" \
    --exec-root "$folder/exec" --pidfile "$folder/pid" --host "$DOCKER_HOST" --bridge "$bridge" \
    --iptables=false --ip-masq=false --ip-forward=false </dev/null >"$folder/log" 2>&1 &
engine=$!
for _ in {1..600}; do
    docker version >/dev/null 2>&1 && break
    gone && tail -n 20 "$folder/log" >&2 && exit 1
    sleep 0.1
done
"$@"
