#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A day with a swarm, verb by verb, by the commands that a person types.
#
#     tests/e2e/day.sh processes
#     tests/e2e/day.sh containers       with the Docker engine that DOCKER_HOST names
#     scripts/engine.sh tests/e2e/day.sh containers
#
# Each step shows its command and holds what it printed to what was expected; the first that does
# not hold ends the day, and says so. Nothing is left, however it ends. Programs are taken from
# SKEP_BIN_DIR, that of images is SKEP_HELLO_STATIC; both are built if these are not set.
set -euo pipefail
cd "$(dirname "$0")/../.."

kind=${1:-}
case "$kind" in
    processes | containers) ;;
    *) echo "usage: tests/e2e/day.sh processes|containers" >&2 && exit 2 ;;
esac

source scripts/swarm.sh

# --- steps --------------------------------------------------------------------------------------

step='' out='' err='' code=''

title() {
    step=$*
    printf '\n== %s\n' "$*"
}

# What is wrong, in which step, and what its last command said.
wrong() {
    printf '%s\n' "$@" "it printed:" "$out" "and as errors:" "$err" "and ended with $code" >&2
    fail "$step: $1"
}

# run CODE COMMAND...: runs skep, shows what it says, and expects this exit code. Its output is in
# `out`, its errors and progress in `err`.
run() {
    local want=$1
    shift
    printf '\n$ skep %s\n' "$*"
    code=0
    skep "$@" >"$folder/out" 2>"$folder/err" || code=$?
    out=$(<"$folder/out") err=$(<"$folder/err")
    sed 's/^/  /' "$folder/out" "$folder/err"
    [ "$code" = "$want" ] || wrong "expected exit code $want of: skep $*"
}

# has PATTERN [TEXT]: the output, or this text, has a line that fits.
has() {
    grep -qE -- "$1" <<<"${2-$out}" || wrong "expected a line like: $1"
}

# has_not PATTERN [TEXT]
has_not() {
    ! grep -qE -- "$1" <<<"${2-$out}" || wrong "expected no line like: $1"
}

# count NUMBER PATTERN: so many lines of the output fit.
count() {
    local found
    found=$(grep -cE -- "$2" <<<"$out" || true)
    [ "$found" = "$1" ] || wrong "expected $1 lines like: $2, and there are $found"
}

# is VALUE: that is all it printed.
is() { [ "$out" = "$1" ] || wrong "expected to print just: $1"; }

# --- what differs between processes and containers ----------------------------------------------

# `works VERSION` is a good program of this version, `gone` one that is nowhere, `breaks` one that
# ends at once with code 3. `program WHAT ARGUMENT...` sets `words` to what `service create` is
# told, and `becomes WHAT` to what `service update` is.
words=()
images=()

prepare_containers() {
    local hello version
    hello=${SKEP_HELLO_STATIC:-$(scripts/hello-static.sh)}
    # A name that no one else has.
    image=skep-day-$$
    for version in 1 2 3; do
        import "$hello" "$version" "[\"/skep-hello\"]"
    done
    import "$hello" breaks '["/skep-hello", "--exit-after=50ms", "--exit-code=3"]'
}

# import PROGRAM TAG ENTRYPOINT
import() {
    tar -c -C "$(dirname "$1")" "$(basename "$1")" | docker import --change "ENTRYPOINT $3" \
        --change "ENV VERSION=$2" - "$image:$2" >/dev/null
    images+=("$image:$2")
}

tidy_up() { [ ${#images[@]} = 0 ] || docker rmi -f "${images[@]}" >/dev/null 2>&1; }

prepare_processes() {
    local version
    image=$folder/programs/hello
    mkdir "$folder/programs"
    for version in 1 2 3; do
        write_program "$version" "VERSION=$version exec '$bin/skep-hello' \"\$@\""
    done
    write_program breaks "exec '$bin/skep-hello' --exit-after=50ms --exit-code=3"
}

# write_program VERSION LINE
write_program() {
    printf '#!/bin/sh\n%s\n' "$2" >"$image:$1"
    chmod +x "$image:$1"
}

program_of_containers() { words=(--pull never "$image:$1" "${@:2}"); }
becomes_of_containers() { words=(--image "$image:$1"); }
program_of_processes() { words=(--process -- "$image:$1" "${@:2}"); }
becomes_of_processes() { words=(--entrypoint "$image:$1"); }
program() { "program_of_$kind" "$@"; }
becomes() { "becomes_of_$kind" "$@"; }

# What an attempt to run a program that is nowhere says.
gone_words() {
    case $kind in
        containers) echo "the node does not have \"$image:gone\"" ;;
        processes) echo "$image:gone: no such file or directory" ;;
    esac
}

# The port of the second publication, and how hello is told to echo UDP on it: a container has
# ports of its own, a process learns which it got.
case $kind in
    containers) udp_target=8080 udp_flag=--udp ;;
    processes) udp_target=53 udp_flag=--udp=53 ;;
esac

# What is there of tasks: programs with those that look after them, or containers.
tasks_of_containers() { containers; }
tasks_of_processes() { processes | grep -E 'skep-hello|skepd shim ' || true; }

# --- asking -------------------------------------------------------------------------------------

# every_answer_is VERSION: at every node, for as many answers as there are tasks and more.
every_answer_is() {
    local address answer
    for address in "${addresses[@]}"; do
        for _ in 1 2 3 4 5 6; do
            answer=$(version_at "$address:$port")
            [ "$answer" = "$1" ] ||
                fail "$step: expected version $1 at $address:$port, and it is '$answer'"
        done
        echo "  http://$address:$port runs version $1"
    done
}

# echoes ADDRESS:PORT: whether a task there sends back over UDP what it was sent.
echoes() {
    local answer
    answer=$({ printf 'a word' >&3 && timeout 2 dd bs=2048 count=1 <&3 2>/dev/null; } \
        3<>"/dev/udp/${1%:*}/${1##*:}") || true
    [ "${answer##* }" = word ]
}

# runs COUNT SERVICE: so many of its tasks run.
runs() { [ "$(skep service ps --format '{{.CurrentState}}' "$2" | grep -c '^Running ')" = "$1" ]; }

running_on() { skep node ps --format '{{.CurrentState}}' "$1" | grep -c '^Running ' || true; }
nothing_runs_on() { [ "$(running_on "$1")" = 0 ]; }
is_closed() { ! is_taken "$1"; }
no_task_is_left() { [ -z "$("tasks_of_$kind")" ]; }
api_answers() { skep -H "unix://$1" version >/dev/null 2>&1; }

# --- the day ------------------------------------------------------------------------------------

find_programs
title "starting three nodes"
start_swarm 3
"prepare_$kind"
quick=(--stable-for 1s)

title "founding a swarm by hand"
# Of another daemon: one with --dev has founded its own.
"$bin/skepd" --executor simulated --data-dir "$folder/own" >"$folder/own.log" 2>&1 &
own=$!
own_socket=$folder/own/skep.sock
within 30 "the daemon does not answer at $own_socket" api_answers "$own_socket"
run 1 -H "unix://$own_socket" node ls
has 'skep swarm init' "$err"
run 0 -H "unix://$own_socket" swarm init
has '^Swarm initialized: current node \(nod_[0-9a-z]+\) is now a manager\.$'
run 0 -H "unix://$own_socket" node ls
count 1 ' Ready +Active +Leader '
kill -TERM "$own"
wait "$own" || fail "$step: skepd ended with $?"

title "looking around"
run 0 info
has '^ Swarm: active$'
has '^  ClusterID: swm_'
has '^  Managers: 1$'
has '^  Nodes: 3$'
run 0 node ls
has '^ID +NAME +STATUS +AVAILABILITY +MANAGER STATUS +VERSION$'
count 3 '^nod_[0-9a-z]{26} [* ] +node-[123] +Ready +Active '
count 1 ' Leader '

title "deploying"
port=$(free_port 20080)
program 1
run 0 service create --name web --replicas 3 --publish "$port:8080" --update-parallelism 2 \
    --update-delay 300ms --update-monitor 1s "${quick[@]}" "${words[@]}"
has '^svc_[0-9a-z]{26}$'
count 1 ''
has '^verify: Service web converged$' "$err"
run 0 service ls --no-trunc
has '^ID +NAME +MODE +REPLICAS +IMAGE +PORTS$'
has "^svc_[0-9a-z]+ +web +replicated +3/3 .*$image:1 +\\*:$port->8080/tcp"
run 0 service inspect --pretty web
has '^Name:[[:space:]]+web$'
has '^Service Mode:[[:space:]]+Replicated$'
has '^ Replicas:[[:space:]]+3$'
has '^ Converged:[[:space:]]+yes '
has "$image:1$"
has "PublishedPort = $port$"
has '^  TargetPort = 8080$'
run 0 service inspect web --format '{{json .spec.update}}'
is '{"delay":"0.300s","monitor":"1s","parallelism":2}'
run 0 service ps web
count 3 '^tsk_[0-9a-z]+ +web\.[123] +[^ ]+ +node-[123] +Running +Running '
for node in node-1 node-2 node-3; do count 1 " $node "; done
answers_from 3 "$port"
every_answer_is 1

title "scaling"
run 0 service scale web=5 "${quick[@]}"
is 'web scaled to 5'
has '^overall progress: 5 out of 5 tasks$' "$err"
run 0 service ls
has ' web +replicated +5/5 '
answers_from 5 "$port"

title "changing what runs"
becomes 2
run 0 service update "${words[@]}" "${quick[@]}" web
is web
every_answer_is 2
run 0 service ps web
count 5 '^tsk_[0-9a-z]+ +web\.[1-5] +[^ ]+ +node-[123] +Running +Running '
count 5 ' \\_ web\.[1-5] +[^ ]+ +node-[123] +Shutdown +Shutdown '

title "a change to what is nowhere: nothing is lost, and it pauses"
becomes gone
run 10 service update "${words[@]}" "${quick[@]}" web
has 'service web has a roll-out that is paused' "$err"
has "$(gone_words)" "$err"
run 0 service inspect --pretty web
has '^ Stalled:[[:space:]]+yes since .* \(ROLLOUT_PAUSED: '
run 0 service ps web
has "Rejected .*$(gone_words)"
within 10 "five tasks of version 2 go on" runs 5 web
every_answer_is 2

title "a good change goes on"
becomes 3
run 0 service update "${words[@]}" "${quick[@]}" web
every_answer_is 3
run 0 service inspect --pretty web
has '^ Stalled:[[:space:]]+no since '
has '^ Converged:[[:space:]]+yes '

title "going back"
run 0 service rollback "${quick[@]}" web
is web
every_answer_is 2

title "a change to what breaks: it goes back by itself"
becomes breaks
run 12 service update "${words[@]}" --update-failure-action rollback --rollback-monitor 1s \
    "${quick[@]}" web
has 'exited with code 3' "$err"
within 30 "five tasks of version 2 run" runs 5 web
every_answer_is 2

title "draining a node"
[ "$(running_on node-2)" -gt 0 ] || fail "$step: node-2 runs nothing that could move"
run 0 node update --availability drain node-2
within 30 "node-2 still runs something" nothing_runs_on node-2
within 30 "its tasks run elsewhere" runs 5 web
run 0 node ls
has ' node-2 +Ready +Drain '
answers_from 5 "$port"

title "and taking it back"
run 0 node update --availability active node-2
run 0 node ls
count 3 ' Ready +Active '
run 0 service scale web=6 "${quick[@]}"
[ "$(running_on node-2)" = 1 ] || fail "$step: the new task is not on node-2, the idlest"

title "publishing one port more"
more=$(free_port $((port + 1)))
run 0 service update --publish-add "published=$more,target=8080,protocol=tcp" "${quick[@]}" web
run 0 service ls
has "\\*:$port->8080/tcp.*\\*:$more->8080/tcp"
answers_from 6 "$more"
answers_from 6 "$port"

title "TCP and UDP, short and long"
short=$(free_port $((more + 1)))
long=$(free_port $((short + 1)))
both=$(free_port $((long + 1)))
program 1 "$udp_flag"
# A process is told the first port as PORT, where hello answers HTTP.
run 0 service create --name mix --replicas 2 "${quick[@]}" \
    --publish "target=8080,published=$long,protocol=tcp,mode=ingress" \
    --publish "$short:$udp_target/udp" \
    --publish "$both:8080" --publish "$both:$udp_target/udp" "${words[@]}"
run 0 service ls
has "\\*:$short->$udp_target/udp"
has "\\*:$long->8080/tcp"
has "\\*:$both->8080/tcp"
has "\\*:$both->$udp_target/udp"
for address in "${addresses[@]}"; do
    within 10 "nothing comes back from $address:$short over UDP" echoes "$address:$short"
    within 10 "nothing comes back from $address:$both over UDP" echoes "$address:$both"
    echo "  udp://$address:$short and udp://$address:$both echo"
done
answers_from 2 "$long"
answers_from 2 "$both"

title "one on every node, with a port of the node itself"
host=$(free_port $((both + 1)))
program 1
run 0 service create --name each --mode global "${quick[@]}" \
    --publish "published=$host,target=8080,mode=host" "${words[@]}"
run 0 service ls
has ' each +global +3/3 '
run 0 service ps each
for number in 1 2 3; do
    has "^tsk_[0-9a-z]+ +each\.node-$number +[^ ]+ +node-$number +Running +Running .* \\*:$host->8080/tcp"
    answer=$(answer "${addresses[number - 1]}:$host" /)
    has "^node: node-$number$" "$answer"
done

title "removing"
run 0 service rm web mix each
has '^web$'
has '^mix$'
has '^each$'
for name in web mix each; do
    run 1 service inspect "$name"
    has "there is no service \"$name\"" "$err"
done
run 0 service ls
count 0 '^svc_'
run 0 task ls --quiet
is ''
within 10 "of tasks there is left: $("tasks_of_$kind")" no_task_is_left
for number in "$port" "$more" "$short" "$long" "$both" "$host"; do
    within 10 "port $number is still open" is_closed "$number"
done

title "stopping the daemon, and looking for anything it left"
stop_swarm
printf '\n%s: all of it held, as %s\n' "$script" "$kind"
