#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks the SDK for TypeScript, its examples, its conformance driver and what measures it: types,
# lints, tests; then takes the package as a user gets it, and with SKEP_BIN_DIR runs the examples and
# its page.
#
#   scripts/sdk-typescript.sh            check
#   scripts/sdk-typescript.sh --tools    only fetch what checking needs
#   scripts/sdk-typescript.sh --driver   build the conformance driver and say where it is
set -euo pipefail
cd "$(dirname "$0")/.."

for needed in node npm; do
    if ! command -v "$needed" >/dev/null 2>&1; then
        echo "SKIPPED: the SDK for TypeScript (no $needed)" >&2
        echo "SDK for TypeScript (no $needed)" >>"${SKEP_SKIPS:-/dev/null}"
        if [ "${CI:-}" = true ]; then exit 1; else exit 0; fi
    fi
done

root=$PWD
# Another version is another folder, so tools that are there are the right ones.
tools=$root/.tools/sdk-typescript-$(cksum <sdk/typescript/package-lock.json | cut -d' ' -f1)

npm_quietly() {
    npm "$@" --loglevel=error --no-audit --no-fund --prefer-offline >&2
}

# Installs into a folder of its own and renames it when whole, so that an interrupted installation
# is never taken for a good one.
if [ ! -d "$tools" ]; then
    echo "installing the tools of the SDK for TypeScript into .tools/" >&2
    fresh=$tools.$$.tmp
    mkdir -p "$fresh"
    cp sdk/typescript/package.json sdk/typescript/package-lock.json "$fresh"
    npm_quietly ci --ignore-scripts --prefix "$fresh"
    mv "$fresh" "$tools"
fi
bin=$tools/node_modules/.bin
if [ "${1:-}" = --tools ]; then
    exit
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The package's sources with its tools, apart from the checkout: nothing is written there.
sources=$folder/sdk/typescript
mkdir -p "$folder/sdk"
cp sdk/service_config.json "$folder/sdk"
cp -r sdk/typescript "$sources"
rm -rf "$sources"/{node_modules,build,dist}
ln -s "$tools/node_modules" "$sources/node_modules"

# A folder in which the package is installed as a user does it, and nothing else but types.
install_package() { # folder
    local package
    mkdir -p "$1"
    package=$(cd "$sources" && npm pack --silent --pack-destination "$folder")
    (
        cd "$1"
        echo '{"private": true, "type": "module"}' >package.json
        npm_quietly install --ignore-scripts "$folder/$package"
    )
    cp -r "$tools"/node_modules/{@types,undici-types} "$1/node_modules"
}

if [ "${1:-}" = --driver ]; then
    driver=$root/.tools/driver-typescript
    rm -rf "$driver"
    install_package "$driver"
    cp tests/conformance/drivers/typescript/{*.ts,tsconfig.json} "$driver"
    (cd "$driver" && "$bin/tsc" >&2)
    printf '#!/bin/sh\nexec node "%s/build/driver.js"\n' "$driver" >"$driver/driver"
    chmod +x "$driver/driver"
    echo "$driver/driver"
    exit
fi

echo "-- types, lints and tests"
(
    cd "$sources"
    "$bin/tsc"
    "$bin/biome" check --error-on-warnings .
    node --test --test-reporter=tap build/test/*.test.js >"$folder/tests" || {
        grep -A 30 '^not ok' "$folder/tests"
        exit 1
    }
    grep -E '^# (tests|pass|skipped)' "$folder/tests"
)
for other in examples/typescript tests/conformance/drivers/typescript bench/sdks/typescript; do
    "$bin/biome" check --error-on-warnings --config-path "$sources" "$other"
done

echo "-- as a user gets it"
user=$folder/user
install_package "$user"
cmp LICENSE "$user/node_modules/@skep/client/LICENSE"
cp examples/typescript/{*.ts,tsconfig.json} "$user"
# What the page shows is one program.
{
    # shellcheck disable=SC2016  # no command in there
    sed -n '/^```ts$/,/^```$/{/^```/d;p}' sdk/typescript/README.md
    echo 'await client.services.deleteService({ service: "web" });'
    echo 'client.close();'
} >"$user/page.ts"
mkdir "$user/driver" "$user/bench"
cp tests/conformance/drivers/typescript/{*.ts,tsconfig.json} "$user/driver"
cp bench/sdks/typescript/{*.ts,tsconfig.json} "$user/bench"
for program in . driver bench; do
    (cd "$user/$program" && "$bin/tsc")
done

if [ -n "${SKEP_BIN_DIR:-}" ]; then
    echo "-- the examples and the page beside a daemon"
    # A program has to end by itself at once when it has closed its client.
    cat >"$user/at-once.js" <<'JAVASCRIPT'
import { Client } from "@skep/client";

const { close } = Client.prototype;
Client.prototype.close = function () {
  close.call(this);
  const closed = performance.now();
  process.once("exit", () => {
    const ms = Math.round(performance.now() - closed);
    if (ms > 5_000) {
      console.error(`the process ended ${ms} ms after close`);
      process.exitCode = 1;
    }
  });
};
JAVASCRIPT
    mkdir "$user/bin"
    program() { # name, the file it runs
        printf '#!/bin/sh\nexec node --import "%s/at-once.js" "%s/build/%s.js" "$@"\n' \
            "$user" "$user" "$2" >"$user/bin/$1"
        chmod +x "$user/bin/$1"
    }
    for example in examples/typescript/*.ts; do
        program "$(basename "$example" .ts)" "$(basename "$example" .ts)"
    done
    program quickstart-user quickstart
    program page page
    scripts/dev-daemon.sh scripts/try-examples.sh "$user/bin"
    scripts/dev-daemon.sh timeout 60s "$user/bin/page"
fi
