#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Sets a variable of the environment of a service, one task after the other, and goes back if
# the new tasks fail.
#
#   rolling_update.sh [-H HOST] SERVICE NAME=VALUE
set -eu
. "$(dirname "$0")/skep.sh"
case $#:${2:-} in
2:?*=*) ;;
*) usage ;;
esac
connect

# From what was read to the change. It names the paths that it changes, so nothing else is
# touched, and the revision that was read, so it is refused if someone else was faster.
# shellcheck disable=SC2016  # variables of jq
edit='
.service
| (if .spec.template | has("container") then "container" else "process" end) as $kind
| (.spec.template[$kind].env // {}) as $env
| if $env[$name] == $value then empty else {
    request_id: $id,
    service: .meta.id,
    if_spec_revision: .meta.specRevision,
    update_mask: {paths: [
      "update.parallelism", "update.monitor", "update.on_failure", "template." + $kind + ".env"
    ]},
    spec: {
      update: {parallelism: 1, monitor: "2s", on_failure: "ON_FAILURE_ROLLBACK"},
      template: {($kind): {env: ($env + {($name): $value})}}
    }
  } end'

get=$(jq -nc --arg service "$1" '{service: $service}')
while :; do
    answer=$(call ServiceService/GetService "$get") || refused "$answer"
    change=$(printf '%s' "$answer" | jq -c --arg id "$(new_id)" \
        --arg name "${2%%=*}" --arg value "${2#*=}" "$edit")
    if [ -z "$change" ]; then
        echo "$1 has that already"
        exit
    fi
    answer=$(call ServiceService/UpdateService "$change") && break
    case $answer in
    *'"reason": "SPEC_REVISION_MISMATCH"'*) ;; # someone else was faster: again, on what they wrote
    *) refused "$answer" ;;
    esac
done

request=$(printf '%s' "$answer" | jq -c '.service.meta | {
  service: .id, spec_revision: .specRevision, timeout: "600s"
}')
answer=$(call ServiceService/WaitService "$request" 610) || {
    case $answer in
    *'"reason": "ROLLED_BACK"'*) words='the tasks failed and are what they were before: ' ;;
    *) words= ;;
    esac
    refused "$answer" "$words"
}
echo "$1 is updated"
