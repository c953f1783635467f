#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes what is wanted of all services to a file, and brings it back.
#
#   backup.sh [-H HOST] save FILE        all services as they were at one revision
#   backup.sh [-H HOST] restore FILE     make each service what the file says; others stay
set -eu
. "$(dirname "$0")/skep.sh"

# save FILE: writes a spec a line.
save() {
    # Environments may hold secrets. What is there stays until the new file is whole.
    umask 077
    new=$1.tmp
    trap 'rm -f "$new"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    token=
    : >"$new"
    while :; do
        # All pages are of the revision of the first.
        answer=$(call ServiceService/ListServices '{"page_token": "'"$token"'"}') ||
            refused "$answer"
        printf '%s' "$answer" | jq -c '.services[]?.spec' >>"$new"
        token=$(printf '%s' "$answer" | jq -r '.nextPageToken // ""')
        [ -n "$token" ] || break
    done
    mv "$new" "$1"
    printf '%s' "$answer" | jq -r --arg count "$(wc -l <"$1" | tr -d ' ')" \
        '$count + " services as of revision " + .revision'
}

restore() {
    # Read whole before anything is changed.
    jq 'objects // error("a spec is an object")' "$1" >/dev/null ||
        fail "$1 is no backup that can be read"
    jq -c . "$1" | while read -r spec; do
        request=$(printf '%s' "$spec" | jq -c --arg id "$(new_id)" \
            '{request_id: $id, allow_missing: true, spec: .}')
        answer=$(call ServiceService/UpdateService "$request") || refused "$answer"
        printf '%s' "$answer" | jq -r '.service.spec.name + " is restored"'
    done
}

case $#:${1:-} in
2:save | 2:restore) ;;
*) usage ;;
esac
connect
"$@"
