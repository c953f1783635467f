#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Takes down what Docker's swarm mode prints, for cli/tests/golden/docker: a test holds the columns
# and labels of skep to it.
#
#   scripts/docker-goldens.sh            writes the files anew
#   scripts/docker-goldens.sh FOLDER     writes them there
#
# It needs root, busybox, and what scripts/engine.sh needs. The engine is one of its own, in a
# network of its own, so that neither its swarm nor its ports meet anything. What is written is as
# it was printed, with the command before it; of lines that repeat one is kept, and no blanks at
# the end of lines.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(realpath -m "${1:-cli/tests/golden/docker}")
if [ -z "${SKEP_OWN_NETWORK:-}" ]; then
    # shellcheck disable=SC2016 # The shell inside has the words.
    SKEP_OWN_NETWORK=1 exec unshare --net --uts sh -c \
        'hostname node-1 && ip link set lo up && exec scripts/engine.sh "$@"' sh "$0" "$folder"
fi
mkdir -p "$folder"
export DOCKER_CLI_HINTS=false

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# take FILE ARGUMENT...: the command and what it printed, behind the versions of both sides.
versions=$(docker version --format '# Docker {{.Client.Version}}, engine {{.Server.Version}}')
take() {
    local file=$folder/$1.txt
    shift
    {
        printf '%s\n$ docker %s\n' "$versions" "$*"
        docker "$@" 2>&1 | sed 's/[ \t]*$//' | uniq
    } >"$file"
}

# take_bars FILE ARGUMENT...: what is drawn over and over on a terminal: each sentence, and each
# picture of the first task. On a narrow terminal Docker draws no bars.
take_bars() {
    local file=$folder/$1.txt down=$'\x1b\\[[0-9]*B'
    shift
    {
        printf '%s\n$ docker %s\n' "$versions" "$*"
        script -qec "stty cols 160 && docker $*" /dev/null |
            sed -e "s/$down/\n/g" -e 's/\r/\n/g' | sed -e 's/\x1b\[[0-9;]*[A-Za-z]//g' -e 's/ *$//' |
            grep -E '^(overall progress|1/3|verify):? ' | awk '!seen[$0]++'
    } >"$file"
}

# within_a_minute WHAT COMMAND: repeats the command until it succeeds.
within_a_minute() {
    local deadline=$((SECONDS + 60))
    until "$2"; do
        [ $SECONDS -lt $deadline ] || { echo "docker-goldens: $1" >&2 && exit 1; }
        sleep 0.2
    done
}

is_completed() { [ "$(docker service inspect -f '{{.UpdateStatus.State}}' web)" = completed ]; }
has_ended() { [ "$(docker service ps -q -f desired-state=shutdown crash | wc -l)" = 3 ]; }

# --- a swarm, and images of two versions ---------------------------------------------------------

mkdir "$work/bin"
cp "$(command -v busybox)" "$work/bin/busybox"
ln -s busybox "$work/bin/sh"
for version in 1 2 3; do
    tar -c -C "$work" bin | docker import --change 'ENTRYPOINT ["/bin/busybox"]' \
        --change "ENV VERSION=$version" - "shop:$version" >/dev/null
done
docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 >/dev/null
docker node update --label-add zone=west "$(docker node ls -q)" >/dev/null

# --- a service with all that is shown of one -----------------------------------------------------

docker service create --quiet --name web --no-resolve-image --replicas 3 \
    --label team=shop --constraint node.role==manager --placement-pref spread=node.labels.zone \
    --replicas-max-per-node 3 --update-parallelism 3 --update-delay 1s \
    --update-monitor 1s --rollback-parallelism 3 --rollback-monitor 1s \
    --env LEVEL=info --workdir / --user 0:0 --init --cap-add NET_ADMIN \
    --cap-drop MKNOD --sysctl net.core.somaxconn=1024 --ulimit nproc=64:64 \
    --mount type=bind,source=/srv,target=/data,readonly \
    --mount type=volume,source=cache,target=/cache --mount type=tmpfs,target=/tmp \
    --log-driver json-file --log-opt max-size=5m --health-cmd true --health-interval 1s \
    --health-timeout 2s --health-retries 4 --health-start-period 20s --reserve-cpu .1 \
    --reserve-memory 16m --limit-cpu 1 --limit-memory 64m --limit-pids 50 \
    --stop-grace-period 1s --publish 8080:80 shop:1 sleep 1000 >/dev/null
docker service create --detach --name crash --no-resolve-image --restart-delay 1s \
    --restart-max-attempts 2 shop:1 sh -c 'echo boom; exit 3' >/dev/null

take update service update --image shop:2 --no-resolve-image web
within_a_minute "the update is not completed" is_completed
within_a_minute "no attempts of crash have ended" has_ended
take node-ls node ls
take service-ls service ls
take service-ps service ps web crash
take service-pretty service inspect --pretty web
take rollback service rollback web
take_bars update-bars service update --image shop:3 --no-resolve-image web
docker service rm web crash >/dev/null
docker swarm leave --force >/dev/null
