#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Shows every change to the tasks that run until Ctrl-C, over restarts of the daemon.
#
#   watch_tasks.sh [-H HOST] [SERVICE]...
set -eu
. "$(dirname "$0")/skep.sh"
case ${1:-} in
-*) usage ;;
esac
connect

work=$(mktemp -d)
watch=
finish() {
    trap '' INT TERM
    [ -z "$watch" ] || kill "$watch" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 0' INT TERM

# show: prints the changes in the frames on its stdin, and notes the last revision that is whole.
show() {
    while read -r frame; do
        printf '%s\n' "$frame" | jq -r '.events[]? |
          "\(.type[11:]) \(.task.name) on \(.task.node.name): \(.task.status.state[11:])"'
        printf '%s\n' "$frame" | jq -r '.revision // empty' >"$work/new"
        [ ! -s "$work/new" ] || mv "$work/new" "$work/revision"
    done
}

echo 0 >"$work/revision"
mkfifo "$work/frames"
while :; do
    request=$(jq -nc --arg after "$(cat "$work/revision")" '{
      after_revision: $after,
      tasks: {services: $ARGS.positional, states: ["TASK_STATE_RUNNING"]}
    }' --args "$@")
    printf '%s' "$request" | send skep.v1.WatchService/Watch -keepalive-time 15 \
        >"$work/frames" 2>"$work/error" &
    watch=$!
    # A frame is many lines as grpcurl prints it; here it is one. A signal ends a wait, but not
    # what runs in front.
    jq -c --unbuffered . <"$work/frames" | show &
    wait $! || true

    status=0
    wait "$watch" || status=$?
    error=$(cat "$work/error")
    case $status:$error in
    75:*) echo 0 >"$work/revision" ;; # OUT_OF_RANGE, the history is gone: begin again
    0:* | 78:* | 1:"Failed to dial"* | 1:*"code = Unavailable"*) ;;
    *) refused "$error" ;;
    esac
    # The next watch goes on after that revision, and leaves no change out.
    sleep 1 &
    wait $!
done
