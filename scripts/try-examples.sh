#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the examples of an SDK against the daemon at SKEP_HOST and looks at what they say. They are
# in one folder: quickstart, deploy, watch_tasks, rolling_update and backup, and quickstart-user,
# the first of them as a user installs it.
#
#   scripts/dev-daemon.sh scripts/try-examples.sh FOLDER
set -euo pipefail

examples=$(realpath "$1")
work=$(mktemp -d)
watch=
cleanup() {
    [ -z "$watch" ] || kill -KILL "$watch" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work"

fail() {
    echo "try-examples: $*" >&2
    exit 1
}

# run RESULT WORDS NAME ARGS...: the example NAME has this result, ok or failed, and its output has
# the words.
run() {
    local wanted=$1 words=$2 name=$3 status=0
    shift 3
    echo "$name $*"
    timeout --kill-after=5s 60s "$examples/$name" "$@" >"$name.out" 2>&1 || status=$?
    case $wanted:$status in
    ok:0 | failed:[1-9] | failed:[1-9]?) ;;
    *)
        cat "$name.out" >&2
        fail "$name ended with $status, not $wanted"
        ;;
    esac
    grep -qF -- "$words" "$name.out" || {
        cat "$name.out" >&2
        fail "$name did not say '$words'"
    }
}

cat >web.json <<'JSON'
{"name": "web", "replicated": {"replicas": 2}, "template": {"process":
  {"command": ["/bin/sh", "-c", "exec sleep \"$TIME\""], "env": {"TIME": "600"}}}}
JSON
cat >bad.json <<'JSON'
{"name": "-web", "template": {"process": {"command": ["sleep"]}}}
JSON

"$examples/watch_tasks" >watch.out 2>&1 &
watch=$!
run ok 'runs 2 tasks' quickstart-user
# The first has left nothing, so there is room for another one of the name.
run ok 'runs 2 tasks' quickstart
run ok '2 of 2 tasks run' deploy web.json
run ok 'is updated' rolling_update web GREETING=hello
run ok 'has that already' rolling_update web GREETING=hello
run failed 'the tasks failed and are what they were before' rolling_update web TIME=long
run ok '1 services' backup save services.txt
run ok 'web is restored' backup restore services.txt
run failed 'spec.name' deploy bad.json

# An interrupt ends a watch at once, and well.
kill -INT "$watch"
for _ in {1..50}; do
    kill -0 "$watch" 2>/dev/null || break
    sleep 0.1
done
if kill -0 "$watch" 2>/dev/null; then
    fail "watch_tasks did not end"
fi
wait "$watch" || fail "watch_tasks ended with $?"
watch=
grep -qF 'web.1' watch.out || fail "watch_tasks did not see web.1: $(cat watch.out)"
