// SPDX-License-Identifier: Apache-2.0
//! The chores of this repository that are programs: what Makefile targets call.

use std::path::Path;
use std::process::ExitCode;

mod contract;
mod folder;
mod reference;
mod tidy;

const USAGE: &str = "usage: cargo run -p xtask -- COMMAND

  gen            write the Rust code and the descriptors of proto/ to proto/src/gen/, and
                 the reference of the API to docs/api/
  gen --check    write nothing; fail if what is there is not what gen would write
  baseline       take the contract as it is for proto/baseline*.binpb, which later
                 changes are compared with (add a line to CHANGELOG.md)
  tidy           look for what breaks a rule of the house; changes nothing
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let root = repository_root();
    let done = match words.as_slice() {
        ["gen"] => contract::write(root).and_then(|()| reference::write(root)),
        ["gen", "--check"] => contract::check(root).and_then(|()| reference::check(root)),
        ["baseline"] => contract::write_baseline(root),
        ["tidy"] => tidy::run(root),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder that holds this crate's folder.
fn repository_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask/ lies in the repository")
}
