#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the service of a file what the file says, and waits until it is so.
#
#   deploy.sh [-H HOST] SPEC.json     the JSON of a skep.v1.ServiceSpec
set -eu
. "$(dirname "$0")/skep.sh"
[ $# = 1 ] || usage
connect

request=$(jq -c --arg id "$(new_id)" '{request_id: $id, allow_missing: true, spec: .}' "$1") ||
    fail "$1 is no JSON that can be read"

# Creates the service, changes it, or does nothing if it is as wanted already.
answer=$(call ServiceService/UpdateService "$request") || refused "$answer"

# The revision says which change is waited for: a moment ago the tasks were as the last one wanted.
request=$(printf '%s' "$answer" | jq -c '.service.meta | {
  service: .id, spec_revision: .specRevision, timeout: "600s"
}')
answer=$(call ServiceService/WaitService "$request" 610) || {
    case $answer in
    *'"UNPLACED"'*) echo "The tasks start when a node fits" >&2 ;;
    esac
    refused "$answer"
}
printf '%s' "$answer" | jq -r '.service | .spec.name + ": " +
  "\(.status.runningTasks // 0) of \(.status.desiredTasks // 0) tasks run"'
