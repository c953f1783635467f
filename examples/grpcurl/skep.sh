# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# What the programs beside it share: where the daemon is, calls, and errors. They need grpcurl, and
# jq from 1.6 on. No file of the contract is needed: the daemon describes itself.
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

for tool in grpcurl jq; do
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
unix:///*) address=$SKEP_HOST ;;
http://?*) address=${SKEP_HOST#http://} address=${address%/} ;;
*) fail "bad host '$SKEP_HOST': expected unix:///path/to/skep.sock or http://host:port" ;;
esac

# send SERVICE/METHOD [OPTION]...: sends the JSON on its stdin, with options of grpcurl. Always a
# part of a pipe, whose shell becomes grpcurl.
send() {
    method=$1
    shift
    exec grpcurl -plaintext -connect-timeout 5 -format-error -d @ "$@" "$address" "$method"
}

# call METHOD REQUEST [SECONDS]: prints the answer; if it is refused the error, with status 1.
call() {
    # A daemon that starts anew is back soon. Sending a change again is safe: its request_id
    # makes it happen once.
    for pause in 1 2 4 8 end; do
        status=0
        answer=$(printf '%s' "$2" | send "skep.v1.$1" -max-time "${3:-60}" 2>&1) || status=$?
        # grpcurl ends with 64 and the code of the error: 14 is UNAVAILABLE.
        case $status:$answer in
        78:* | 1:"Failed to dial"* | 1:*"code = Unavailable"*) ;;
        *)
            printf '%s\n' "$answer"
            return "$((status != 0))"
            ;;
        esac
        [ "$pause" = end ] || sleep "$pause"
    done
    printf '%s\n' "$answer"
    return 1
}

# refused ERROR [WORDS]: ends with these words, what the server said, and each field that is wrong.
refused() {
    words='.message, (.details[]?.fieldViolations[]? | "  \(.field): \(.description)")'
    fail "${2:-}$(printf '%s\n' "$1" | jq -r "$words" 2>/dev/null || printf '%s' "$1")"
}

# For the request_id of a change: no other request ever has it.
new_id() {
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

# Ends if nobody is there. What fails later is worth sending again.
connect() {
    if [ -S "${address#unix://}" ] && [ ! -w "${address#unix://}" ]; then
        fail "no permission to use $SKEP_HOST"
    fi
    case $(printf '{}' | send grpc.health.v1.Health/Check -max-time 5 2>/dev/null) in
    *'"status":'*) ;;
    *) fail "no skep daemon answers at $SKEP_HOST" ;;
    esac
}
