// SPDX-License-Identifier: Apache-2.0
//! `skepd`: the daemon on every node.

mod config;
mod daemon;
mod gather;
mod identity;
mod listen;
mod logging;
mod metrics;
mod paths;
mod ready;
mod run;
mod serve;
mod variables;

use std::ffi::OsString;
use std::process::ExitCode;

use config::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A task's shim is this program again, before it has any thread.
    skep_agent::shim::run_if_asked();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let done = Config::load(arguments).and_then(|config| {
        logging::start(&config)?;
        for name in variables::unknown(std::env::vars_os().map(|(name, _)| name)) {
            tracing::warn!("{name} is not a setting and is not obeyed; see skepd --help");
        }
        run::run(config)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("skepd: {error:#}");
            ExitCode::FAILURE
        }
    }
}
