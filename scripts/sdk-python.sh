#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks the SDK for Python, its examples, its conformance driver and what measures it: format, lints,
# types, tests; then takes the package as a user gets it, and with SKEP_BIN_DIR runs the examples and
# its page.
#
#   scripts/sdk-python.sh            check
#   scripts/sdk-python.sh --tools    only fetch what checking needs
#   scripts/sdk-python.sh --driver   install the conformance driver and say where it is
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { # why
    echo "SKIPPED: the SDK for Python ($1)" >&2
    echo "SDK for Python ($1)" >>"${SKEP_SKIPS:-/dev/null}"
    if [ "${CI:-}" = true ]; then exit 1; else exit 0; fi
}
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || skip "no python3 from 3.10 on"
python3 -c 'import venv, ensurepip' 2>/dev/null || skip "no venv module"

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
unset PYTHONPATH
root=$PWD
# Another version is another folder, so tools that are there are the right ones.
pins=$(cat sdk/python/requirements-dev.txt <(python3 --version))
tools=$root/.tools/sdk-python-$(cksum <<<"$pins" | cut -d' ' -f1)
bin=$tools/bin

# A virtual environment cannot be renamed, so a mark says that it is whole.
if [ ! -e "$tools/whole" ]; then
    echo "installing the tools of the SDK for Python into .tools/" >&2
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$bin/python" -m pip install --quiet --only-binary :all: -r sdk/python/requirements-dev.txt
    touch "$tools/whole"
fi
if [ "${1:-}" = --tools ]; then
    exit
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The package is built from a copy, so that nothing is written to the checkout. The wheel is made
# from the sdist: what is missing there is missing in both.
build_package() {
    cp -r sdk/python "$folder/source"
    find "$folder/source" -name __pycache__ -prune -exec rm -rf {} +
    "$bin/python" -m build --no-isolation --outdir "$folder/dist" "$folder/source" \
        >"$folder/build.log" 2>&1 || { cat "$folder/build.log" >&2; return 1; }
    rm -rf "$folder/source"
}

# A new virtual environment with the package as a user installs it.
install_package() { # folder
    python3 -m venv "$1"
    "$1/bin/python" -m pip install --quiet "$folder"/dist/skep-*.whl
}

if [ "${1:-}" = --driver ]; then
    driver=$root/.tools/driver-python
    rm -rf "$driver"
    build_package
    install_package "$driver"
    cp tests/conformance/drivers/python/*.py "$driver"
    printf '#!/bin/sh\nexec "%s/bin/python" "%s/driver.py"\n' "$driver" "$driver" >"$driver/driver"
    chmod +x "$driver/driver"
    echo "$driver/driver"
    exit
fi

examples=examples/python
driver=tests/conformance/drivers/python
bench=bench/sdks/python
echo "-- format, lints and types"
"$bin/ruff" format --no-cache --quiet --check sdk/python "$examples" "$driver" "$bench"
"$bin/ruff" check --no-cache --quiet sdk/python "$examples" "$driver" "$bench"
# What the page shows is one program.
# shellcheck disable=SC2016  # no command in there
sed -n '/^```python$/,/^```$/{/^```/d;p}' sdk/python/README.md >"$folder/page.py"
check_types() { # search path, files
    local path=$1
    shift
    MYPYPATH=$path "$bin/mypy" --config-file sdk/python/pyproject.toml \
        --cache-dir "$folder/mypy" --no-error-summary "$@"
}
check_types sdk/python/src:sdk/python/tests sdk/python/src sdk/python/tests
check_types "sdk/python/src:$driver" "$driver"/*.py
check_types sdk/python/src "$examples"/*.py "$bench"/*.py "$folder/page.py"
# Types are worth what they find.
cat >"$folder/wrong.py" <<'PYTHON'
import skep
import skep.aio
from skep import v1

with skep.connect() as client:
    client.services.GetService(v1.GetServiceRequest(service=7))
    client.watch_tasks(v1.NodeFilter())
    client.edit_service("web", lambda spec: spec.replicas)
    print(client.tasks.ListTasks(v1.ListTasksRequest()).task)


async def main() -> None:
    async with skep.aio.connect() as client:
        print((await client.tasks.ListTasks(v1.ListTasksRequest())).task)
PYTHON
found=$(check_types sdk/python/src "$folder/wrong.py" | grep -c ': error:' || true)
if [ "$found" != 5 ]; then
    echo "mypy finds $found of 5 mistakes in the use of the SDK" >&2
    exit 1
fi

echo "-- tests"
(cd sdk/python && "$bin/python" -m pytest -q -p no:cacheprovider)

echo "-- as a user gets it"
build_package
ls "$folder/dist"
user=$folder/user
install_package "$user"
"$user/bin/python" -m pip check
# Both bring the licence along.
cmp LICENSE "$user"/lib/python3*/site-packages/skep-*.dist-info/licenses/LICENSE
tar -xzOf "$folder"/dist/skep-*.tar.gz --wildcards 'skep-*/LICENSE' | cmp LICENSE
cp "$examples"/*.py "$folder/page.py" "$user"

if [ -n "${SKEP_BIN_DIR:-}" ]; then
    echo "-- the examples and the page beside a daemon"
    # A program has to end by itself at once when it has closed its client.
    cat >"$user/at_once.py" <<'PYTHON'
import runpy
import signal
import sys
import threading
import time

import skep
import skep.aio

# A shell ignores interrupts for what it runs behind, and Python would heed that.
signal.signal(signal.SIGINT, signal.default_int_handler)
now = time.monotonic
closed = []


def note(close):
    def close_and_note(client):
        closing = close(client)
        closed.append(now())
        return closing

    return close_and_note


skep.Client.close = note(skep.Client.close)
skep.aio.Client.close = note(skep.aio.Client.close)
before = set(threading.enumerate())
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    for left in set(threading.enumerate()) - before:
        left.join(2)
        if left.is_alive() and closed:
            sys.exit(f"a thread stays after close: {left}")
    if closed and now() - closed[-1] > 2:
        sys.exit(f"the process ended {now() - closed[-1]:.1f} s after close")
PYTHON
    mkdir "$user/programs"
    program() { # name, the file it runs
        printf '#!/bin/sh\nexec "%s/bin/python" "%s/at_once.py" "%s/%s.py" "$@"\n' \
            "$user" "$user" "$user" "$2" >"$user/programs/$1"
        chmod +x "$user/programs/$1"
    }
    for example in "$examples"/*.py; do
        program "$(basename "$example" .py)" "$(basename "$example" .py)"
    done
    program quickstart-user quickstart
    program page page
    scripts/dev-daemon.sh scripts/try-examples.sh "$user/programs"
    scripts/dev-daemon.sh timeout 60s "$user/programs/page"
fi
