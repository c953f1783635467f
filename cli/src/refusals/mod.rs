// SPDX-License-Identifier: Apache-2.0
//! What Docker has and skep has not, or not yet: refused by name, with the nearest thing there
//! is. One table; a test holds it against Docker's inventory and against our own commands.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command, CommandFactory};

use crate::args::Cli;
use crate::parse::host::parse_host;

mod table;
#[cfg(test)]
mod tests;

use table::{REFUSALS, Refusal};

/// What the standard library says of a text that is no whole number.
pub(crate) const NO_NUMBER: &str = "invalid digit found in string";

/// The answer to a flag or verb of a command.
fn answer(path: &str, name: &str) -> Option<&'static str> {
    let fits = |refusal: &&Refusal| refusal.on.contains(&path) && refusal.names.contains(&name);
    REFUSALS.iter().find(fits).map(|refusal| refusal.answer)
}

/// The command that was parsed: `service create`.
pub(crate) fn path_of(matches: &ArgMatches) -> String {
    let mut path = Vec::new();
    let mut here = matches.subcommand();
    while let Some((name, below)) = here {
        path.push(name);
        here = below.subcommand();
    }
    path.join(" ")
}

/// The flag for a line of /etc/hosts, which in Docker is `--host` of the commands that describe
/// a service.
fn host_flag(path: &str) -> Option<&'static str> {
    match path {
        "service create" => Some("--add-host"),
        "service update" => Some("--host-add"),
        _ => None,
    }
}

/// What to say if `--host` was given a line of /etc/hosts in place of the daemon's address.
pub(crate) fn misread_host(path: &str, host: Option<&str>) -> Option<String> {
    let (flag, host) = (host_flag(path)?, host?);
    let entry = parse_host(host).ok()?;
    entry.ip.parse::<std::net::IpAddr>().ok()?;
    Some(format!(
        "skep {path} --host: that is the address of the daemon; for a line of /etc/hosts use \
         {flag} {host}"
    ))
}

/// What an error of the parser says: our answer to what Docker has, else the parser's own words.
pub(crate) fn explain(error: &clap::Error, words: &[OsString]) -> String {
    let kind = match error.kind() {
        ErrorKind::UnknownArgument | ErrorKind::ArgumentConflict => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::InvalidValue => return job_mode(error).unwrap_or_else(|| own_words(error)),
        _ => return own_words(error),
    };
    let Some(ContextValue::String(name)) = error.get(kind) else {
        return own_words(error);
    };
    let path = path_of_words(words);
    if let (Some(flag), true) = (host_flag(&path), name.starts_with("--host ")) {
        return format!(
            "Error: skep {path} --host: that is the address of the daemon, and there is one; for \
             lines of /etc/hosts use {flag} NAME:IP"
        );
    }
    if let Some(answer) = answer(&path, name) {
        let command = if path.is_empty() {
            String::new()
        } else {
            format!(" {path}")
        };
        return format!("Error: skep{command} {name}: {answer}");
    }
    // The flags of `docker` itself stand before the command.
    match answer("", name).filter(|_| name.starts_with('-')) {
        Some(answer) => format!("Error: skep {name}: {answer}"),
        None => own_words(error),
    }
}

/// What to say of the modes that Docker has for jobs.
fn job_mode(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = text(ContextKind::InvalidArg)?;
    let value = text(ContextKind::InvalidValue)?;
    let job = flag.starts_with("--mode") && ["replicated-job", "global-job"].contains(&value);
    job.then(|| format!("Error: --mode {value}: jobs are not there yet"))
}

fn own_words(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.replace(NO_NUMBER, "expected a whole number");
    match text.strip_prefix("error: ") {
        Some(rest) => format!("Error: {rest}"),
        None => text,
    }
}

/// The command that words lead to, as far as they name one.
fn path_of_words(words: &[OsString]) -> String {
    let root = Cli::command();
    let mut here = &root;
    let mut path = Vec::new();
    let mut rest = words.iter().skip(1).filter_map(|word| word.to_str());
    while let Some(word) = rest.next() {
        if word.starts_with('-') {
            if takes_next_word(&root, word) {
                rest.next();
            }
            continue;
        }
        let Some(below) = here.find_subcommand(word) else {
            break;
        };
        path.push(below.get_name());
        here = below;
    }
    path.join(" ")
}

/// Whether a flag of `skep` itself has its value in the next word.
fn takes_next_word(root: &Command, word: &str) -> bool {
    root.get_arguments().any(|argument| {
        let long = argument
            .get_long()
            .is_some_and(|long| word.strip_prefix("--") == Some(long));
        let short = argument
            .get_short()
            .is_some_and(|short| word == format!("-{short}"));
        (long || short) && argument.get_action().takes_values()
    })
}
