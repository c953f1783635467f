# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# What the programs beside it share: where the daemon is, calls, and errors. They need curl from
# 7.76 on, and jq from 1.6 on.
#
#   program.sh [-H HOST] ...    HOST is unix:///path/to/skep.sock or http://host:port;
#                               else SKEP_HOST says it, else it is the socket of this machine

fail() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}

# Shows the lines of a program's head that say how to call it.
usage() {
    sed -n 's/^#   \([a-z_]*\.sh .*\)/usage: \1/p' "$0" >&2
    exit 2
}

for tool in curl jq; do
    command -v "$tool" >/dev/null || fail "$tool is missing: install it"
done
if [ "${1:-}" = -H ]; then
    SKEP_HOST=${2:-}
    [ -n "$SKEP_HOST" ] || usage
    shift 2
fi
own=${XDG_RUNTIME_DIR:-${HOME:-}/.local/share}/skep/skep.sock
[ -S "$own" ] || own=/run/skep/skep.sock
SKEP_HOST=${SKEP_HOST:-unix://$own}
case $SKEP_HOST in
unix:///*) socket=${SKEP_HOST#unix://} url=http://localhost ;;
http://?*) socket='' url=${SKEP_HOST%/} ;;
*) fail "bad host '$SKEP_HOST': expected unix:///path/to/skep.sock or http://host:port" ;;
esac

# post SERVICE/METHOD [OPTION]...: sends the JSON on its stdin, with options of curl. Always a part
# of a pipe, whose shell becomes curl.
post() {
    method=$1
    shift
    exec curl --silent ${socket:+--unix-socket "$socket"} --header 'content-type: application/json' \
        --fail-with-body --data-binary @- "$@" "$url/$method"
}

# call METHOD REQUEST [SECONDS]: prints the answer; if it is refused the error, with status 1.
call() {
    seconds=${3:-60}
    # A daemon that starts anew is back soon. Sending a change again is safe: its request_id
    # makes it happen once.
    for pause in 1 2 4 8 end; do
        status=0
        answer=$(printf '%s' "$2" | post "skep.v1.$1" --max-time $((seconds + 5)) \
            --header "grpc-timeout: ${seconds}S") || status=$?
        case $status:$answer in
        22:*'"code":"UNAVAILABLE"'*) ;;
        0:* | 22:*)
            printf '%s\n' "$answer"
            return "$((status != 0))"
            ;;
        28:*)
            printf '{"message": "no answer from %s in %s s"}\n' "$SKEP_HOST" "$seconds"
            return 1
            ;;
        esac
        [ "$pause" = end ] || sleep "$pause"
    done
    [ "$status" = 22 ] || answer="{\"message\": \"the connection to $SKEP_HOST is lost\"}"
    printf '%s\n' "$answer"
    return 1
}

# refused ERROR [WORDS]: ends with these words, what the server said, and each field that is wrong.
refused() {
    words='.message, (.violations[]? | "  \(.field): \(.description)")'
    fail "${2:-}$(printf '%s\n' "$1" | jq -r "$words" 2>/dev/null || printf '%s' "$1")"
}

# For the request_id of a change: no other request ever has it.
new_id() {
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

# Ends if nobody is there. What fails later is worth sending again.
connect() {
    if [ -S "$socket" ] && [ ! -w "$socket" ]; then
        fail "no permission to use $SKEP_HOST"
    fi
    case $(printf '{}' | post grpc.health.v1.Health/Check --max-time 5) in
    *'"status":'*) ;;
    *) fail "no skep daemon answers at $SKEP_HOST" ;;
    esac
}
