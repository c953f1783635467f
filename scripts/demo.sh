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
# beside anything, itself included. Containers are a part of it where a Docker engine of this
# machine answers at DOCKER_HOST. With SKEP_BIN_DIR it takes the programs from there.
set -euo pipefail
cd "$(dirname "$0")/.."

play=
case "${1:-}" in
    '') ;;
    --play) play=1 ;;
    *) echo "usage: scripts/demo.sh [--play]" >&2 && exit 2 ;;
esac

source scripts/swarm.sh

bold='' plain=''
if [ -t 1 ]; then
    bold=$'\e[1m' plain=$'\e[0m'
fi

title() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

# Writes each line of its input behind a word, as soon as it comes.
prefixed() {
    local line
    while IFS= read -r line; do printf '  %s | %s\n' "$1" "$line"; done
}

# Shows a command and what it says.
run() {
    printf '\n%s$ skep %s%s\n' "$bold" "$*" "$plain"
    skep "$@" 2>&1 | prefixed skep
}

watch='' images=()
tidy_up() {
    [ -z "$watch" ] || kill "$watch" 2>/dev/null || true
    [ ${#images[@]} = 0 ] || docker rmi -f "${images[@]}" >/dev/null 2>&1
}

# --- build and start ----------------------------------------------------------------------------

[ -n "${SKEP_BIN_DIR:-}" ] || title "building (a few minutes the first time)"
find_programs

# Images are made here: where an engine of this machine answers, and a program can be linked so
# that an image needs nothing else.
hello=
engine=${DOCKER_HOST:-unix:///var/run/docker.sock}
if [ "${engine#unix://}" != "$engine" ] && docker version >/dev/null 2>&1; then
    hello=${SKEP_HELLO_STATIC:-$(scripts/hello-static.sh || true)}
fi

title "starting skepd with three nodes"
start_swarm 3
port=$(free_port 8080)
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
answers_from 3 "$port"

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
answers_from 5 "$port"

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
answers_from 5 "$port"

# --- containers ---------------------------------------------------------------------------------

names=("$name")
if [ -n "$hello" ]; then
    title "the same as containers: an image of two versions"
    # Names that no one else has.
    image=skep-demo-$$
    for version in 1 2; do
        tar -c -C "$(dirname "$hello")" "$(basename "$hello")" | docker import \
            --change "ENTRYPOINT [\"/$(basename "$hello")\"]" --change "ENV VERSION=$version" \
            - "$image:$version" >/dev/null
        images+=("$image:$version")
    done
    box_port=$(free_port $((port + 1)))
    names+=(box)
    run service create --name box --replicas 2 --publish "$box_port:8080" --pull never \
        --update-monitor 1s --stable-for 1s "$image:1"
    answers_from 2 "$box_port"
    title "a new image: one container after the other is replaced"
    run service update --image "$image:2" --stable-for 1s box
    run service ps box
    for address in "${addresses[@]}"; do
        answer=$(version_at "$address:$box_port")
        [ "$answer" = 2 ] || fail "$address:$box_port said version '$answer'"
        echo "  http://$address:$box_port runs version $answer"
    done
else
    title "no containers: no Docker engine answers here, or no program for an image can be made"
fi

# --- remove, and look for leftovers -------------------------------------------------------------

title "removing what was deployed"
run service rm "${names[@]}"
no_tasks() { [ -z "$(skep task ls --quiet)" ]; }
within 60 "tasks of the removed services are still there" no_tasks

title "stopping the daemon, and looking for anything it left"
kill "$watch" 2>/dev/null || true
wait "$watch" 2>/dev/null || true
watch=
stop_swarm
echo "  no process, no container, no socket, no control group, no file"
title "all of it held. Now try: make run"
