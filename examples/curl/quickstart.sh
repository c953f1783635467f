#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs a service, waits until it is up, shows its tasks and removes it.
#
#   quickstart.sh [-H HOST]
set -eu
. "$(dirname "$0")/skep.sh"
[ $# = 0 ] || usage
connect

# The id of the service, once there is one to remove.
service=
remove() {
    [ -n "$service" ] || return 0
    answer=$(call ServiceService/DeleteService '{"service": "'"$service"'"}') || refused "$answer"
    answer=$(call ServiceService/WaitService '{
      "service": "'"$service"'", "goal": "GOAL_DELETED", "timeout": "50s"
    }') || refused "$answer"
}
trap remove EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

answer=$(call ServiceService/CreateService '{
  "request_id": "'"$(new_id)"'",
  "spec": {
    "name": "quickstart-curl",
    "replicated": {"replicas": 2},
    "template": {"process": {"command": ["/bin/sleep", "600"]}}
  }
}') || refused "$answer"
service=$(printf '%s' "$answer" | jq -r .service.meta.id)

# One call waits: it answers when the tasks run and have stayed so, or says why they do not.
answer=$(call ServiceService/WaitService '{
  "service": "'"$service"'", "timeout": "50s", "stable_for": "1s"
}') || refused "$answer"
printf '%s' "$answer" | jq -r '.service | "\(.spec.name) runs \(.status.runningTasks) tasks"'

answer=$(call TaskService/ListTasks '{"filter": {"services": ["'"$service"'"]}}') ||
    refused "$answer"
printf '%s' "$answer" | jq -r '.tasks[] | "\(.name) on \(.node.name): \(.status.state)"'
