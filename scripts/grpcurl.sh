#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# grpcurl in the version pinned here, built into .tools/ the first time by the Go toolchain.
#
#   scripts/grpcurl.sh ARGS...   grpcurl itself
#   scripts/grpcurl.sh --path    say where it is
set -euo pipefail

version=1.9.4
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$root/.tools/grpcurl-$version

if [ ! -x "$folder/grpcurl" ]; then
    echo "building grpcurl $version into .tools/" >&2
    # go writes the program last and whole, so a file that is there is a good one.
    GOBIN=$folder GOFLAGS=-mod=mod \
        go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$version" >&2
fi
if [ "${1:-}" = --path ]; then
    echo "$folder/grpcurl"
else
    exec "$folder/grpcurl" "$@"
fi
