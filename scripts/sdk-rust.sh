#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Takes the SDK for Rust as a user gets it, and with SKEP_BIN_DIR runs its page and its examples, which
# are there with all that the workspace builds. Whatever else is checked in Rust, clippy and `cargo
# test` check.
#
#   scripts/sdk-rust.sh           check
#   scripts/sdk-rust.sh --tools   nothing: cargo is all it needs
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --tools ]; then
    exit
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# A crate outside of the workspace has none of the features that others ask for. The profile is
# that of the workspace, so that what was compiled there serves here as far as it can.
echo "-- as a user gets it"
user=$folder/user
mkdir -p "$user/src/bin" "$folder/bin"
cat >"$user/Cargo.toml" <<TOML
[package]
name = "skep-user"
version = "0.0.0"
edition = "2024"

[dependencies]
skep-sdk = { path = "$PWD/sdk/rust" }
tokio = { version = "1", features = ["macros", "rt-multi-thread", "signal"] }

[lints.rust]
warnings = "deny"

[profile.dev]
debug = "line-tables-only"

[profile.dev.package."*"]
debug = false
TOML
cp Cargo.lock rust-toolchain.toml "$user"
cp examples/rust/src/bin/quickstart.rs "$user/src/bin/quickstart-user.rs"
# What the page shows is one program.
{
    echo '#[tokio::main]'
    echo 'async fn main() -> Result<(), skep_sdk::Error> {'
    # shellcheck disable=SC2016  # no command in there
    sed -n '/^```rust$/,/^```$/{/^```/d;p}' sdk/rust/README.md
    echo 'let request = skep_sdk::v1::DeleteServiceRequest { service: "web".into(), ..Default::default() };'
    echo 'client.services().delete_service(request).await?;'
    echo 'Ok(())'
    echo '}'
} >"$user/src/bin/page.rs"
target=$(cargo metadata --no-deps --format-version 1 --locked |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
(cd "$user" && CARGO_TARGET_DIR=$target cargo build --quiet --offline)
cp "$target"/debug/{page,quickstart-user} "$folder/bin"

if [ -n "${SKEP_BIN_DIR:-}" ]; then
    echo "-- the examples and the page beside a daemon"
    for example in examples/rust/src/bin/*.rs; do
        cp "$SKEP_BIN_DIR/$(basename "$example" .rs)" "$folder/bin"
    done
    scripts/dev-daemon.sh scripts/try-examples.sh "$folder/bin"
    scripts/dev-daemon.sh timeout 60s "$folder/bin/page"
fi
