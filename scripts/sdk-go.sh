#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks the SDK for Go, its examples, its conformance driver and what measures it: format, vet, staticcheck, tests;
# then takes the module as a user gets it, and with SKEP_BIN_DIR runs the examples.
#
#   scripts/sdk-go.sh           check
#   scripts/sdk-go.sh --tools   only fetch what checking needs
#   scripts/sdk-go.sh --driver  build the conformance driver and say where it is
set -euo pipefail
cd "$(dirname "$0")/.."

staticcheck=0.8.2
checkout=$PWD
tools=$checkout/.tools/staticcheck-$staticcheck
modules=(sdk/go examples/go tests/conformance/drivers/go bench/sdks/go)
# The checkout decides, not how this machine is set up.
export GOWORK=off GOFLAGS=-buildvcs=false

if ! command -v go >/dev/null 2>&1; then
    echo "SKIPPED: the SDK for Go (no go)" >&2
    echo "SDK for Go (no go)" >>"${SKEP_SKIPS:-/dev/null}"
    if [ "${CI:-}" = true ]; then exit 1; else exit 0; fi
fi
if [ "${1:-}" = --driver ]; then
    driver=$PWD/.tools/driver-go/driver
    (cd tests/conformance/drivers/go && go build -ldflags=-w -o "$driver" .)
    echo "$driver"
    exit
fi

if [ ! -x "$tools/staticcheck" ]; then
    echo "building staticcheck $staticcheck into .tools/" >&2
    GOBIN=$tools go install "honnef.co/go/tools/cmd/staticcheck@v$staticcheck"
fi
if [ "${1:-}" = --tools ]; then
    for module in "${modules[@]}"; do
        (cd "$module" && go mod download)
    done
    exit
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

check_module() { # module
    local unformatted packages
    unformatted=$(find . -name '*.go' -not -path './skep/v1/*' -exec gofmt -l {} +)
    if [ -n "$unformatted" ]; then
        echo "$1: gofmt would change: $unformatted" >&2
        return 1
    fi
    go vet ./...
    # What is generated is written for all, not for us.
    mapfile -t packages < <(go list ./... | grep -v '/skep/v1$')
    "$tools/staticcheck" -checks all,-ST1000 "${packages[@]}"
    go test ./...
}

for module in "${modules[@]}"; do
    echo "-- $module"
    (cd "$module" && check_module "$module")
done

# A module proxy of files, with this checkout as a version that nobody else has.
version=v0.0.0-$(date -u +%Y%m%d%H%M%S)-$(od -An -N6 -tx1 /dev/urandom | tr -d ' ')
publish() { # folder of the proxy
    local at=$1/skep.dev/skep/sdk/go/@v
    mkdir -p "$at"
    echo "{\"Version\": \"$version\"}" >"$at/$version.info"
    cp sdk/go/go.mod "$at/$version.mod"
    (cd sdk/go && python3 - "$at/$version.zip" "skep.dev/skep/sdk/go@$version" <<'PYTHON'
import pathlib
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1], "w") as module:
    for file in sorted(pathlib.Path().rglob("*")):
        if file.is_file():
            module.write(file, f"{sys.argv[2]}/{file}")
PYTHON
    )
}

# What a user does with a new module: get the SDK, and build a program with it.
echo "-- as a user gets it: skep.dev/skep/sdk/go@$version"
publish "$folder/proxy"
mkdir "$folder/user" "$folder/bin"
cp examples/go/quickstart/main.go "$folder/user"
(
    cd "$folder/user"
    upstream=$(go env GOPROXY)
    export GOPROXY="file://$folder/proxy,$upstream" GONOSUMDB=skep.dev GOPRIVATE=
    cache=$(go env GOMODCACHE)
    # Files of modules are kept read-only.
    trap 'chmod -R u+w "$cache/skep.dev" && rm -rf "$cache/skep.dev" "$cache/cache/download/skep.dev"' EXIT
    go mod init example.com/quickstart 2>/dev/null
    go get "skep.dev/skep/sdk/go@$version" 2>/dev/null
    go build -ldflags=-w -o "$folder/bin/quickstart-user" .
    # The module brings its licence along.
    cmp "$checkout/LICENSE" "$(go list -m -f '{{.Dir}}' skep.dev/skep/sdk/go)/LICENSE"
)

if [ -n "${SKEP_BIN_DIR:-}" ]; then
    echo "-- the examples beside a daemon"
    (cd examples/go && go build -ldflags=-w -o "$folder/bin/" ./...)
    scripts/dev-daemon.sh scripts/try-examples.sh "$folder/bin"
fi
