#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures skep with containers side by side with Docker's own Swarm mode, and with bare
# `docker run`, all on one Docker engine that nobody else has; see bench/README.md.
#
#   scripts/bench-containers.sh [ROUNDS]    three unless told; writes a page of results
#   ROWS="update-1 update-10" scripts/bench-containers.sh    these rows alone, of $all_rows below
#   scripts/bench-containers.sh --smoke     a small round, to see whether all works; writes none
#
# It needs what scripts/engine.sh needs. Programs are built for release or taken from SKEP_BIN_DIR,
# that of images is SKEP_HELLO_STATIC. With LOCK each round waits until it alone has that file, for
# machines where others measure too.
set -euo pipefail
cd "$(dirname "$0")/.."

# Swarm mode is never begun on an engine that somebody uses.
if [ "${1:-}" != --in-engine ]; then
    exec scripts/engine.sh "scripts/$(basename "$0")" --in-engine "$@"
fi
shift

all_rows='create update update-1 update-10 scale'
many=50 some=20 at_a_time=4 few=1 more=10 calls=50 rounds=3 page=1
said="${ROWS:+ROWS=\"$ROWS\" }scripts/$(basename "$0")${*:+ $*}"
case "${1:-}" in
    --smoke) many=6 some=4 at_a_time=2 more=3 calls=5 rounds=1 page='' ;;
    '') ;;
    *[!0-9]* | 0) echo "usage: scripts/bench-containers.sh [ROUNDS] | --smoke" >&2 && exit 2 ;;
    *) rounds=$1 ;;
esac
for row in ${ROWS:=$all_rows}; do
    [[ " $all_rows " == *" $row "* ]] || { echo "no row $row; there are: $all_rows" >&2 && exit 2; }
done

source scripts/swarm.sh

# --- what is measured with ----------------------------------------------------------------------

own=${DOCKER_HOST#unix://}
own=${own%/*}
engine=$(<"$own/pid") containerd=$(<"$own/exec/containerd/containerd.pid")
work=$(mktemp -d "${TMPDIR:-/tmp}/skep-$script-work.XXXXXX")
image=skep-bench-$$
in_swarm='' listener=''

tidy_up() {
    [ -z "$listener" ] || kill "$listener" 2>/dev/null || true
    [ -z "$in_swarm" ] || leave_swarm
    rm -rf "$work"
}

# Prepares the programs, and two images that differ in a variable. `ids` are theirs.
prepare() {
    local hello version target
    if [ -z "${SKEP_BIN_DIR:-}" ]; then
        cargo build --release --locked --quiet --package skep-server --package skep-cli
        target=$(cargo metadata --no-deps --format-version 1 --locked |
            sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
        SKEP_BIN_DIR=$target/release
    fi
    bin=$SKEP_BIN_DIR
    hello=${SKEP_HELLO_STATIC:-$(scripts/hello-static.sh)}
    ids=('')
    for version in 1 2; do
        ids+=("$(tar -c -C "$(dirname "$hello")" "$(basename "$hello")" |
            docker import --change 'ENTRYPOINT ["/skep-hello"]' \
                --change "ENV VERSION=$version" - "$image:$version")")
    done
    mkdir "$work/home"
    # What containers do, when, by the engine's clock: the same witness for both sides.
    docker events --filter type=container --filter event=start --filter event=die \
        --format '{{.TimeNano}} {{.Action}}' >"$work/events" &
    listener=$!
}

# --- the sides ----------------------------------------------------------------------------------

# Each is begun fresh. `cli` asks it, `new` and `other` are how it is told of the two images. No
# side looks for an image anywhere else: Swarm mode pulls whatever is not named by its id.

begin_swarm() {
    local port
    port=$(free_port 22377)
    docker swarm init --listen-addr "127.0.0.1:$port" --advertise-addr "127.0.0.1:$port" \
        >/dev/null || fail "this engine cannot be in Swarm mode, see above"
    in_swarm=1
    new=(--no-resolve-image "${ids[1]}") other=(--no-resolve-image --image "${ids[2]}")
}

leave_swarm() {
    docker swarm leave --force >/dev/null
    in_swarm=''
    # The bridge of Swarm mode outlives it.
    ! docker network inspect docker_gwbridge >/dev/null 2>&1 ||
        docker network rm docker_gwbridge >/dev/null
}

begin_skep() {
    start_swarm 1 --executor docker
    new=(--pull never "$image:1") other=(--image "$image:2")
}

cli_of_swarm() { env -u DOCKER_CONTEXT HOME="$work/home" docker "$@"; }
cli_of_skep() { skep "$@"; }
cli() { "cli_of_$side" "$@"; }

end_swarm() { leave_swarm; }
end_skep() { stop_swarm; }

# --- one measurement ----------------------------------------------------------------------------

# ticks PID: CPU time it used so far, in ticks; the name of a process may hold blanks.
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

# The same of all processors. Time that programs waited is no part of it.
busy() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8; exit }' /proc/stat; }

# peak PID: the most memory it had since `forget_peaks`, in KiB.
peak() { awk '/^VmHWM:/ { print $2 }' "/proc/$1/status"; }

forget_peaks() {
    local pid
    for pid in "$engine" ${daemon_now:+"$daemon_now"}; do echo 5 >"/proc/$pid/clear_refs"; done
}

# The daemon of skep, if that is the side. The figures of no process are zero.
figures() {
    local skepd=0 memory=0
    if [ -n "$daemon_now" ]; then
        skepd=$(ticks "$daemon_now")
        memory=$(peak "$daemon_now")
    fi
    echo "$skepd $(ticks "$engine") $(ticks "$containerd") $(busy) $memory $(peak "$engine")"
}

# happened ACTION COUNT: when the last of so many happened since `from`, in `last`.
happened() {
    last=$(awk -v action="$1" -v count="$2" -v from="$from" \
        '$2 == action && $1 >= from && ++n == count { print $1; exit }' "$work/events")
    [ -n "$last" ]
}

# record ROW MILLISECONDS BEFORE: a line of figures, with what was used since those before.
record() {
    local -a was now
    read -ra was <<<"$3"
    read -ra now <<<"$(figures)"
    printf '%s %s %s %s %s %s %s %s %s %s\n' "$round" "$side" "$1" "$2" \
        $((now[0] - was[0])) $((now[1] - was[1])) $((now[2] - was[2])) $((now[3] - was[3])) \
        "${now[4]}" "${now[5]}" >>"$work/figures"
    printf '  round %s  %-5s %-10s %9s ms\n' "$round" "$side" "$1" "$2" >&2
}

# measure ROW ACTION COUNT COMMAND...: from the command until the engine did that so many times.
measure() {
    local row=$1 action=$2 count=$3 before from last
    shift 3
    forget_peaks
    before=$(figures)
    from=$(date +%s%N)
    "$@" >"$work/said" 2>&1 || fail "$side, $row: $(<"$work/said")"
    within 300 "$side, $row: not $count times $action" happened "$action" "$count"
    record "$row" $(((last - from) / 1000000)) "$before"
}

# measure_ls: the middle one of many calls.
measure_ls() {
    local before began now
    forget_peaks
    before=$(figures)
    : >"$work/calls"
    for ((call = 0; call < calls; call++)); do
        began=${EPOCHREALTIME/./}
        cli service ls >"$work/said"
        now=${EPOCHREALTIME/./}
        echo $((now - began)) >>"$work/calls"
    done
    grep -q " $many/$many " "$work/said" || fail "$side, ls: $(<"$work/said")"
    record ls "$(sort -n "$work/calls" |
        awk '{ all[NR] = $1 } END { printf "%.1f", all[int((NR + 1) / 2)] / 1000 }')" "$before"
}

# says COUNT: whether the side itself says that all of so many run.
says() { [ "$(cli service ls --format '{{.Replicas}}' 2>/dev/null)" = "$1/$1" ]; }
settled() { within 120 "$side does not say $1/$1" says "$1"; }

nothing_is_there() { [ -z "$(docker ps -aq)" ]; }

removed() {
    cli service rm load >"$work/said" 2>&1 || fail "$side: $(<"$work/said")"
    within 120 "$side leaves containers" nothing_is_there
}

# --- rounds -------------------------------------------------------------------------------------

create() { cli service create --detach --name load "$@" "${new[@]}"; }

wanted() { [[ " $ROWS " == *" $1 "* ]]; }

measure_create() {
    measure create start "$many" create --replicas "$many"
    settled "$many"
    measure_ls
    removed
}

# measure_update ROW REPLICAS PARALLELISM
measure_update() {
    local row=$1 replicas=$2
    create --replicas "$replicas" --update-parallelism "$3" >"$work/said"
    settled "$replicas"
    measure "$row" start "$replicas" cli service update --detach "${other[@]}" load
    settled "$replicas"
    removed
}

measure_scale() {
    create --replicas 0 >"$work/said"
    measure scale-up start "$many" cli service scale --detach "load=$many"
    settled "$many"
    measure scale-down die "$many" cli service scale --detach load=0
    removed
}

measure_side() {
    side=$1 daemon_now=''
    "begin_$side"
    [ "$side" != skep ] || daemon_now=$daemon
    ! wanted create || measure_create
    ! wanted update || measure_update update "$some" "$at_a_time"
    ! wanted update-1 || measure_update update-1 "$many" "$few"
    ! wanted update-10 || measure_update update-10 "$many" "$more"
    ! wanted scale || measure_scale
    daemon_now=''
    "end_$side"
}

run_all() { seq "$many" | xargs -P 8 -I{} docker run --detach "$image:1"; }
stop_all() { docker ps -q | xargs docker stop; }

measure_bare() {
    side=bare daemon_now=''
    wanted create || wanted scale || return 0
    measure create start "$many" run_all
    measure scale-down die "$many" stop_all
    docker ps -aq | xargs docker rm >/dev/null
}

measure_round() {
    round=$1
    if [ -n "${LOCK:-}" ]; then
        exec 9>>"$LOCK"
        flock 9
    fi
    measure_side swarm
    measure_side skep
    measure_side swarm
    measure_bare
    [ -z "${LOCK:-}" ] || flock -u 9
}

# --- the page -----------------------------------------------------------------------------------

load() { cut -d' ' -f1-3 /proc/loadavg; }

# The table, out of the lines of figures.
table() {
    awk -v hertz="$(getconf CLK_TCK)" '
        function median(text,    all, n, i, j, x) {
            n = split(text, all, " ")
            for (i = 2; i <= n; i++) {
                x = all[i] + 0
                for (j = i - 1; j >= 1 && all[j] + 0 > x; j--) all[j + 1] = all[j]
                all[j + 1] = x
            }
            return n % 2 ? all[(n + 1) / 2] : (all[n / 2] + all[n / 2 + 1]) / 2
        }
        function least(text,    all, n, i, x) {
            n = split(text, all, " ")
            x = all[1]
            for (i = 2; i <= n; i++) if (all[i] + 0 < x + 0) x = all[i]
            return x
        }
        function figure(x) { return sprintf(x < 100 ? "%.1f" : "%.0f", x) }
        {
            key = $3 SUBSEP $2
            time[key] = time[key] " " $4
            server[key] = server[key] " " ($5 + $6) / hertz
            skepd[key] = skepd[key] " " $5 / hertz
            machine[key] = machine[key] " " $8 / hertz
            if ($9 > own[key]) own[key] = $9
            if ($10 > engine[key]) engine[key] = $10
            if ($2 == "swarm") { sum[$1, $3] += $4; n[$1, $3]++ }
            if ($2 == "skep") mine[$1, $3] = $4
            if ($1 > rounds) rounds = $1
        }
        END {
            print "| row | unit | Swarm mode | skep | docker run | ratio min/median" \
                " | CPU s Swarm / skep (of it skepd) | CPU s, whole machine" \
                " | peak MiB dockerd / dockerd + skepd |"
            print "|---|---|---|---|---|---|---|---|---|"
            count = split("create update update-1 update-10 scale-up scale-down ls", rows, " ")
            for (r = 1; r <= count; r++) {
                row = rows[r]; a = row SUBSEP "swarm"; b = row SUBSEP "skep"
                if (!(b in time)) continue
                ratios = ""
                for (i = 1; i <= rounds; i++)
                    ratios = ratios " " sum[i, row] / n[i, row] / mine[i, row]
                c = row SUBSEP "bare"
                printf "| %s | ms | %s | %s | %s | %.2f / %.2f", row, figure(median(time[a])),
                    figure(median(time[b])), c in time ? figure(median(time[c])) : "-",
                    least(ratios), median(ratios)
                printf " | %.2f / %.2f (%.2f) | %.1f / %.1f | %.0f / %.0f + %.0f |\n",
                    median(server[a]), median(server[b]), median(skepd[b]),
                    median(machine[a]), median(machine[b]),
                    engine[a] / 1024, engine[b] / 1024, own[b] / 1024
            }
        }' "$work/figures"
}

# Every figure there is, a line for each side of a row.
all_figures() {
    local row side
    for row in create update update-1 update-10 scale-up scale-down ls; do
        for side in swarm skep bare; do
            awk -v row="$row" -v side="$side" '
                $3 == row && $2 == side { text = text ", " $4 }
                END { if (text) printf "- %s, %s: %s ms\n", row, side, substr(text, 3) }
            ' "$work/figures"
        done
    done
}

# write_page LOAD_BEFORE ROUNDS
write_page() {
    local changed=''
    [ -z "$(git status --porcelain -uno)" ] || changed=', with changes'
    cat <<END
# Containers, beside Swarm mode, measured on $(date -u '+%F, %R UTC')

- command: \`$said\`; rounds measured: $2
- commit: $(git rev-parse --short=12 HEAD)$changed
- skep: $("$bin/skepd" --version); peer: Docker Engine $(docker version --format '{{.Server.Version}}') in Swarm mode
- machine: $(nproc) processors, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(uname -sr)
- load averages: $1 before, $(load) after

$(table)

Ratios are how many times as fast as Swarm mode skep was, in a round: Swarm mode, skep, Swarm mode. Other figures are
medians, of memory the most.

$(all_figures)
END
}

# A name that no page has.
free_name() {
    local base number=2 name
    base=bench/results/$(date -u +%F)-containers
    name=$base.md
    while [ -e "$name" ]; do
        name=$base-$number.md
        number=$((number + 1))
    done
    echo "$name"
}

prepare
before=$(load)
name=/dev/null
[ -z "$page" ] || name=$(free_name)
for ((round = 1; round <= rounds; round++)); do
    measure_round "$round"
    # After each, so that a run that is cut off has told what it knows.
    write_page "$before" "$round" >"$work/page"
    cp "$work/page" "$name"
done
cat "$work/page"
[ -z "$page" ] || echo "written: $name" >&2
