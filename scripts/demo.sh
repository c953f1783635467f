#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A swarm of three nodes on this machine, at work.
#
#   scripts/demo.sh          deploy, scale, roll, drain, remove; fails if any of it does not hold,
#                            and if anything is left afterwards
#   scripts/demo.sh --play   deploy, then leave the swarm running until Ctrl-C
#
# It needs no root, no fixed port and no other program than bash and what cargo builds: it runs
# beside anything, itself included. With SKEP_BIN_DIR it takes the programs from there.
set -euo pipefail
cd "$(dirname "$0")/.."

play=
case "${1:-}" in
    '') ;;
    --play) play=1 ;;
    *) echo "usage: scripts/demo.sh [--play]" >&2 && exit 2 ;;
esac

# --- helpers ------------------------------------------------------------------------------------

bold='' plain=''
if [ -t 1 ]; then
    bold=$'\e[1m' plain=$'\e[0m'
fi

title() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

fail() {
    printf '\ndemo: FAILED: %s\n' "$*" >&2
    exit 1
}

# Writes each line of its input behind a word, as soon as it comes.
prefixed() {
    local line
    while IFS= read -r line; do printf '  %s | %s\n' "$1" "$line"; done
}

# within SECONDS WHAT COMMAND...: repeats the command until it succeeds.
within() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $deadline ] || fail "$what"
        sleep 0.1
    done
}

# The command line, told where the daemon is and nothing else of this person's settings.
skep() { "${client[@]}" "$@"; }

# Shows a command and what it says.
run() {
    printf '\n%s$ skep %s%s\n' "$bold" "$*" "$plain"
    skep "$@" 2>&1 | prefixed skep
}

# ask ADDRESS:PORT PATH: the first line of the answer.
ask() {
    local line
    {
        printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$2" "$1" >&3
        while IFS= read -r -t 5 line <&3 && [ "$line" != $'\r' ]; do :; done
        IFS= read -r -t 5 line <&3 && printf '%s\n' "$line"
    } 3<>"/dev/tcp/${1%:*}/${1##*:}"
}

# Every task that ever answered.
declare -A tasks=()

# answers_from COUNT: asks at every node's address until COUNT different tasks have answered
# there, and shows which.
answers_from() {
    local want=$1 address task deadline
    for address in "${addresses[@]}"; do
        local -A seen=()
        deadline=$((SECONDS + 30))
        while [ ${#seen[@]} -lt "$want" ]; do
            [ $SECONDS -lt $deadline ] ||
                fail "only ${#seen[@]} of $want tasks answered at $address:$port"
            task=$(ask "$address:$port" /task 2>/dev/null) || task=
            if [ -n "$task" ] && [ -z "${seen[$task]:-}" ]; then
                seen[$task]=1 tasks[$task]=1
            else
                sleep 0.05
            fi
        done
        printf '  http://%s:%s answered:' "$address" "$port"
        printf ' %s' "${!seen[@]}"
        printf '\n'
    done
}

# The port is taken if anything on this machine listens on it, at whatever address.
is_taken() {
    grep -qi ":$(printf '%04X' "$1") [0-9A-F]*:[0-9A-F]* 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# Processes that belong to this demo: the path of its folder is in their command line, their
# environment or their working directory. All tasks and helpers of the daemon have it.
processes() {
    local all=(/proc/[0-9]*) pid
    # The list above was made before these two programs began, which have the path as well.
    {
        grep -alF "$folder/" "${all[@]/%//cmdline}" "${all[@]/%//environ}"
        find "${all[@]/%//cwd}" -maxdepth 0 -lname "$folder/*"
    } 2>/dev/null | cut -d/ -f3 | sort -nu | while read -r pid; do
        printf '%s %s\n' "$pid" "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")"
    done
}

no_processes() { [ -z "$(processes)" ]; }

signal_left() {
    local pid
    while read -r pid _; do
        [ -z "$pid" ] || kill -"$1" "$pid" 2>/dev/null || true
    done <<<"$(processes)"
}

# Ready is the daemon once it says so, in the directory that it made for itself.
daemon_is_ready() {
    kill -0 "$daemon" 2>/dev/null || fail "skepd ended by itself"
    ready=$(find "$tmp" -mindepth 2 -maxdepth 2 -name ready.json)
    [ -n "$ready" ]
}

daemon_is_gone() { ! kill -0 "$daemon" 2>/dev/null; }

# However this ends, nothing of it stays.
daemon='' watch='' folder='' ready=''
cleanup() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    [ -n "$folder" ] || exit "$status"
    # Not if somebody wanted it to end.
    if [ $status -ne 0 ] && [ $status -lt 128 ] && [ -s "$folder/skepd.log" ]; then
        echo "the last lines of the daemon's log:" >&2
        tail -n 20 "$folder/skepd.log" >&2
    fi
    [ -z "$watch" ] || kill "$watch" 2>/dev/null || true
    if [ -n "$daemon" ] && ! daemon_is_gone; then
        kill -TERM "$daemon" 2>/dev/null || true
        for _ in {1..100}; do
            daemon_is_gone && break
            sleep 0.1
        done
    fi
    # A daemon that was killed has not ended its tasks.
    signal_left TERM
    for _ in {1..50}; do
        no_processes && break
        sleep 0.1
    done
    signal_left KILL
    rm -rf "$folder"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- build and start ----------------------------------------------------------------------------

bin=${SKEP_BIN_DIR:-}
if [ -z "$bin" ]; then
    title "building (a few minutes the first time)"
    cargo build --workspace --bins --locked
    bin=$(cargo metadata --no-deps --format-version 1 --locked |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug
fi

# Folders of its own for everything that a program might want to leave somewhere.
folder=$(mktemp -d "${TMPDIR:-/tmp}/skep-demo.XXXXXX")
tmp=$folder/tmp home=$folder/home runtime=$folder/run
mkdir "$tmp" "$home" "$runtime"

# Three loopback addresses that no one else has, and a port that is free.
second=$((RANDOM % 190 + 64)) third=$((RANDOM % 256)) fourth=$((RANDOM % 250 + 1))
addresses=()
for offset in 0 1 2; do addresses+=("127.$second.$third.$((fourth + offset))"); done
port=8080
while is_taken $port; do port=$((port + 1)); done

title "starting skepd with three nodes, at ${addresses[*]}"
# In a session of its own, so that Ctrl-C reaches this script alone.
env -u SKEP_CONTEXT HOME="$home" TMPDIR="$tmp" XDG_RUNTIME_DIR="$runtime" \
    setsid "$bin/skepd" --dev --nodes 3 --dev-addr 127.0.0.1:0 --node-addr "${addresses[0]}" \
    >"$folder/skepd.log" 2>&1 &
daemon=$!
within 30 "skepd is not ready" daemon_is_ready
socket=${ready%/*}/skep.sock
client=(env -u SKEP_CONTEXT HOME="$home" TMPDIR="$tmp" SKEP_HOST="unix://$socket" "$bin/skep")
run node ls

# --- deploy -------------------------------------------------------------------------------------

name=web
title "three replicas of a small server, published on port $port of every node"
if [ -z "$play" ]; then
    "${client[@]}" task watch > >(prefixed watch) 2>&1 &
    watch=$!
fi
run service create --name "$name" --replicas 3 --publish "$port:80" --env GREETING=hello \
    --process -- "$bin/skep-hello"
run service ps "$name"

title "every node answers, for all three tasks"
answers_from 3

if [ -n "$play" ]; then
    cat <<EOF

${bold}The swarm is yours until Ctrl-C.${plain} In another terminal:

  export PATH="$bin:\$PATH"
  export SKEP_HOST=unix://$socket

  skep node ls
  skep service ps $name
  skep watch
  curl http://${addresses[1]}:$port/
EOF
    trap 'exit 0' INT
    wait "$daemon" || fail "skepd ended by itself"
    exit 0
fi

# --- change -------------------------------------------------------------------------------------

title "scaling to five"
run service scale "$name=5"
answers_from 5

title "a new environment: one task after the other is replaced"
run service update --env-add GREETING=servus "$name"
for address in "${addresses[@]}"; do
    greeting=$(ask "$address:$port" /)
    [ "$greeting" = "greeting: servus" ] || fail "$address:$port said '$greeting'"
    echo "  http://$address:$port says $greeting"
done

title "draining a node: its tasks move"
node="node-3"
# running_on NODE...: how many tasks run on these nodes.
running_on() {
    skep node ps --format '{{.CurrentState}}' "$@" | grep -c '^Running ' || true
}
[ "$(running_on "$node")" -gt 0 ] || fail "$node runs no task, so nothing can move"
run node update --availability drain "$node"
all_moved() { [ "$(running_on "$node")" = 0 ] && [ "$(running_on node-1 node-2)" = 5 ]; }
within 60 "the tasks of $node did not move to the others" all_moved
run service ps "$name"
echo "the drained node's address still answers, for tasks that run elsewhere:"
answers_from 5

# --- remove, and look for leftovers -------------------------------------------------------------

title "removing the service"
run service rm "$name"
no_tasks() { [ -z "$(skep task ls --quiet)" ]; }
within 60 "tasks of the removed service are still there" no_tasks

title "stopping the daemon, and looking for anything it left"
kill "$watch" 2>/dev/null || true
wait "$watch" 2>/dev/null || true
watch=
kill -TERM "$daemon"
within 30 "skepd does not stop" daemon_is_gone
wait "$daemon" || fail "skepd ended with status $?"
no_processes || fail "processes are left: $(processes)"
! grep -qF "$folder/" /proc/net/unix || fail "a socket is left: $(grep -F "$folder/" /proc/net/unix)"
for offset in 0 1 2; do
    hex=$(printf '%02X%02X%02X7F' $((fourth + offset)) $third $second)
    ! grep -E "^ *[0-9]+: $hex:[0-9A-F]{4} [0-9A-F:]+ 0[A7] " /proc/net/tcp /proc/net/udp ||
        fail "something still listens on ${addresses[$offset]}"
done
for task in "${!tasks[@]}"; do
    group=$(find /sys/fs/cgroup -type d -name "*$task*" 2>/dev/null)
    [ -z "$group" ] || fail "a control group is left: $group"
done
for place in "$tmp" "$home" "$runtime"; do
    [ -z "$(find "$place" -mindepth 1 -print -quit)" ] || fail "files are left: $(find "$place" -mindepth 1)"
done
rm -rf "$folder"
folder=
echo "  no process, no socket, no control group, no file"
title "all of it held. Now try: make run"
