// SPDX-License-Identifier: Apache-2.0
//! `skep`: drives a swarm from the command line.
//!
//! `args` is the command line, `commands` does what it says, each verb in a file of its own.
//! What flags mean is in `spec` and `filter`, what is shown in `show`, how in `output`; these
//! are pure. Nothing here decides what is allowed: the managers do, for all clients alike.

mod args;
mod commands;
mod exit;
mod failure;
mod filter;
mod flags;
#[cfg(test)]
mod golden;
mod lookup;
mod output;
mod pages;
mod parse;
mod programs;
mod progress;
mod refusals;
#[cfg(test)]
mod sample;
mod session;
mod show;
mod spec;
mod suggest;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::Cli;
use exit::Exit;
use failure::Failure;
use output::{notice, print};
use session::Session;

fn main() -> ExitCode {
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let parsed = Cli::command().try_get_matches_from(&words);
    let parsed = parsed.and_then(|matches| {
        let path = refusals::path_of(&matches);
        Cli::from_arg_matches(&matches).map(|cli| (cli, path))
    });
    match parsed {
        Ok((cli, path)) => match refusals::misread_host(&path, cli.target.host.as_deref()) {
            Some(text) => {
                notice(&format!("Error: {text}"));
                ExitCode::from(Exit::Usage.code())
            }
            None => run(cli, &path),
        },
        Err(error) => say(&error, &words),
    }
}

/// Says what the parser has to say: help, a version, or what is wrong.
fn say(error: &clap::Error, words: &[std::ffi::OsString]) -> ExitCode {
    let text = refusals::explain(error, words);
    if error.use_stderr() {
        notice(text.trim_end());
        ExitCode::from(Exit::Usage.code())
    } else {
        print(&text);
        ExitCode::from(Exit::Done.code())
    }
}

/// Runs a command to its end.
fn run(cli: Cli, path: &str) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            notice(&format!("Error: cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let session = Session::new(cli.target);
    let outcome = runtime.block_on(async {
        let outcome = commands::run(cli.command, &session).await;
        if let Err(failure) = outcome {
            Some(tell(failure, &session, path).await)
        } else {
            None
        }
    });
    ExitCode::from(outcome.unwrap_or(Exit::Done.code()))
}

/// Says a failure, with names that are like one that is unknown. Gives the exit code.
async fn tell(failure: Failure, session: &Session, path: &str) -> u8 {
    let code = failure.code();
    for part in failure.parts() {
        let more = match (part.call(), session.connected()) {
            (Some(call), Some(client)) => lookup::did_you_mean(client, call).await,
            _ => String::new(),
        };
        notice(&part.text(path, &more));
    }
    code
}
