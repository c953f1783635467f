# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For scripts that play with a swarm of their own: a daemon that is several nodes, with folders,
# addresses and ports that nobody else has, so that they run beside anything, themselves included.
# To be sourced, with the repository as the working directory:
#
#     source scripts/swarm.sh
#     find_programs               # builds them, or takes them from SKEP_BIN_DIR
#     start_swarm 3               # then: skep, ask, within, ...
#     stop_swarm                  # fails if anything is left
#
# However the script ends, nothing of its swarm stays. Scripts say what failed by `fail`.

script=$(basename "$0" .sh)

fail() {
    printf '\n%s: FAILED: %s\n' "$script" "$*" >&2
    exit 1
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

# --- the programs, and the swarm ----------------------------------------------------------------

# Sets `bin` to the folder of the programs.
find_programs() {
    bin=${SKEP_BIN_DIR:-}
    [ -z "$bin" ] || return 0
    cargo build --workspace --bins --locked
    bin=$(cargo metadata --no-deps --format-version 1 --locked |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug
}

# start_swarm COUNT [FLAG...]: a daemon that is so many nodes. Sets `addresses` to theirs.
start_swarm() {
    local nodes=$1 offset
    shift
    # Folders of its own for everything that a program might want to leave somewhere.
    folder=$(mktemp -d "${TMPDIR:-/tmp}/skep-$script.XXXXXX")
    tmp=$folder/tmp home=$folder/home runtime=$folder/run
    mkdir "$tmp" "$home" "$runtime"
    second=$((RANDOM % 190 + 64)) third=$((RANDOM % 256)) fourth=$((RANDOM % 200 + 1))
    addresses=()
    for ((offset = 0; offset < nodes; offset++)); do
        addresses+=("127.$second.$third.$((fourth + offset))")
    done
    # In a session of its own, so that Ctrl-C reaches this script alone.
    env -u SKEP_CONTEXT HOME="$home" TMPDIR="$tmp" XDG_RUNTIME_DIR="$runtime" \
        setsid "$bin/skepd" --dev --nodes "$nodes" --dev-addr 127.0.0.1:0 \
        --node-addr "${addresses[0]}" "$@" >"$folder/skepd.log" 2>&1 &
    daemon=$!
    within 30 "skepd is not ready" daemon_is_ready
    socket=${ready%/*}/skep.sock
    client=(env -u SKEP_CONTEXT HOME="$home" TMPDIR="$tmp" SKEP_HOST="unix://$socket" "$bin/skep")
    swarm=$(skep info --format '{{.swarm.meta.id}}')
}

# Stops the daemon, and fails if it left anything.
stop_swarm() {
    kill -TERM "$daemon"
    within 30 "skepd does not stop" daemon_is_gone
    wait "$daemon" || fail "skepd ended with status $?"
    no_processes || fail "processes are left: $(processes)"
    [ -z "$(containers)" ] || fail "containers are left: $(containers)"
    ! grep -qF "$folder/" /proc/net/unix ||
        fail "a socket is left: $(grep -F "$folder/" /proc/net/unix)"
    local address hex place group
    for address in "${addresses[@]}"; do
        hex=$(printf '%02X%02X%02X7F' "${address##*.}" "$third" "$second")
        ! grep -E "^ *[0-9]+: $hex:[0-9A-F]{4} [0-9A-F:]+ 0[A7] " /proc/net/tcp /proc/net/udp ||
            fail "something still listens on $address"
    done
    for task in "${!tasks[@]}"; do
        group=$(find /sys/fs/cgroup -type d -name "*$task*" 2>/dev/null)
        [ -z "$group" ] || fail "a control group is left: $group"
    done
    for place in "$tmp" "$home" "$runtime"; do
        [ -z "$(find "$place" -mindepth 1 -print -quit)" ] ||
            fail "files are left: $(find "$place" -mindepth 1)"
    done
    rm -rf "$folder"
    folder=
}

# The command line, told where the daemon is and nothing else of this person's settings.
skep() { "${client[@]}" "$@"; }

# Ready is the daemon once it says so, in the directory that it made for itself.
daemon_is_ready() {
    kill -0 "$daemon" 2>/dev/null || fail "skepd ended by itself"
    ready=$(find "$tmp" -mindepth 2 -maxdepth 2 -name ready.json)
    [ -n "$ready" ]
}

daemon_is_gone() { ! kill -0 "$daemon" 2>/dev/null; }

# --- asking tasks -------------------------------------------------------------------------------

# Every task that ever answered.
declare -A tasks=()

# answer ADDRESS:PORT PATH: what is answered over HTTP.
answer() {
    local line
    {
        printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$2" "$1" >&3
        while IFS= read -r -t 5 line <&3 && [ "$line" != $'\r' ]; do :; done
        while IFS= read -r -t 5 line <&3; do printf '%s\n' "$line"; done
    } 3<>"/dev/tcp/${1%:*}/${1##*:}"
}

# ask ADDRESS:PORT PATH: the first line of it.
ask() {
    local all
    all=$(answer "$1" "$2")
    [ -n "$all" ] && printf '%s\n' "${all%%$'\n'*}"
}

# version_at ADDRESS:PORT: the version that the task there says it is.
version_at() {
    local answer
    answer=$(answer "$1" / | tr '\n' ' ')
    answer=${answer#*version: }
    printf '%s\n' "${answer%% *}"
}

# answers_from COUNT PORT: asks at every node's address until COUNT different tasks have answered
# there, and shows which.
answers_from() {
    local want=$1 port=$2 address task deadline
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
    grep -qi ":$(printf '%04X' "$1") [0-9A-F]*:[0-9A-F]* 0[A7] " \
        /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 2>/dev/null
}

# free_port FROM: the first number from there on that nobody listens on.
free_port() {
    local number=$1
    while is_taken "$number"; do number=$((number + 1)); done
    echo "$number"
}

# --- what is there ------------------------------------------------------------------------------

# Processes that belong to this swarm: the path of its folder is in their command line, their
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

# Containers that belong to this swarm, if there is an engine.
containers() {
    [ -z "$swarm" ] || ! command -v docker >/dev/null ||
        docker ps -a --filter "label=skep.swarm=$swarm" --format '{{.ID}} {{.Names}}' 2>/dev/null ||
        true
}

signal_left() {
    local pid
    while read -r pid _; do
        [ -z "$pid" ] || kill -"$1" "$pid" 2>/dev/null || true
    done <<<"$(processes)"
}

# However the script ends, nothing of its swarm stays. What else is to be tidied up a script does
# in a function `tidy_up` of its own.
daemon='' folder='' ready='' swarm=''
cleanup() {
    local status=$? container
    trap - EXIT
    trap '' INT TERM HUP
    # Not if somebody wanted it to end.
    if [ $status -ne 0 ] && [ $status -lt 128 ] && [ -n "$folder" ] && [ -s "$folder/skepd.log" ]
    then
        echo "the last lines of the daemon's log:" >&2
        tail -n 20 "$folder/skepd.log" >&2
    fi
    if [ -n "$folder" ]; then
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
        containers | while read -r container _; do
            docker rm -fv "$container" >/dev/null 2>&1 || true
        done
    fi
    ! declare -F tidy_up >/dev/null || tidy_up || true
    [ -z "$folder" ] || rm -rf "$folder"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
