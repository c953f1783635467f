#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds skep-hello without shared libraries, so that it can be all there is in an image, and prints
# where it is. Docker images of it need no registry:
#
#     tar -c -C "$(dirname "$(scripts/hello-static.sh)")" skep-hello |
#         docker import --change 'ENTRYPOINT ["/skep-hello"]' - skep-hello:1
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(cargo metadata --no-deps --format-version 1 --locked |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
cargo rustc --quiet --locked --package skep-hello --bin skep-hello --target-dir "$target/static" \
    -- -C target-feature=+crt-static
echo "$target/static/debug/skep-hello"
