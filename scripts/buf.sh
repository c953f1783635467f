#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Checks the contract with buf, in the version pinned here.
#
#   scripts/buf.sh            lint, format and breaking: what the gates run
#   scripts/buf.sh ARGS...    buf itself, such as: scripts/buf.sh format -w
#   scripts/buf.sh --path     say where it is
#
# buf is installed into .tools/ the first time, by npm or else by pip. Reading and building
# skep needs no buf: it only guards the .proto files.
set -eu

version=1.75.0
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
folder=$root/.tools/buf-$version
cd "$root"

# Installs into a folder of its own and renames it when whole, so that an interrupted
# installation is never taken for a good one.
install_buf() {
    fresh=$folder.$$.tmp
    trap 'rm -rf "$fresh"' EXIT
    if ! install_with_npm && ! install_with_pip; then
        echo "cannot install buf $version: it needs npm, or python3 with pip" >&2
        return 1
    fi
    rm -rf "$folder"
    mv "$fresh" "$folder"
    trap - EXIT
}

install_with_npm() {
    command -v npm >/dev/null 2>&1 || return 1
    mkdir -p "$fresh/bin"
    npm install --silent --no-audit --no-fund --ignore-scripts --no-save \
        --prefix "$fresh" "@bufbuild/buf@$version" >&2 || return 1
    ln -s ../node_modules/.bin/buf "$fresh/bin/buf"
}

install_with_pip() {
    command -v python3 >/dev/null 2>&1 || return 1
    rm -rf "$fresh"
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps \
        --disable-pip-version-check --target "$fresh" "buf-bin==$version" >&2
}

buf() {
    "$folder/bin/buf" "$@"
}

if [ ! -x "$folder/bin/buf" ]; then
    echo "installing buf $version into .tools/" >&2
    install_buf
fi
if [ "$(buf --version 2>&1)" != "$version" ]; then
    echo "$folder/bin/buf is not buf $version: remove that folder and try again" >&2
    exit 1
fi

if [ "${1:-}" = --path ]; then
    echo "$folder/bin/buf"
    exit
fi
if [ $# -gt 0 ]; then
    buf "$@"
    exit
fi

# Every check runs, so that one call shows all there is to mend.
failed=
buf lint || failed="$failed lint"
buf format --diff --exit-code || failed="$failed format"
buf breaking proto/api --exclude-imports \
    --against proto/baseline.binpb || failed="$failed breaking"
buf breaking proto/internal --exclude-imports \
    --against proto/baseline-internal.binpb || failed="$failed breaking(internal)"
if [ -n "$failed" ]; then
    echo "buf:$failed failed. Format: scripts/buf.sh format -w. A change that breaks clients" >&2
    echo "is allowed before 0.1.0 only: make baseline, with a line in CHANGELOG.md." >&2
    exit 1
fi
echo "buf $version: lint, format and breaking are fine"
