// SPDX-License-Identifier: Apache-2.0
//! Settings in the environment: which of them are none, and what is wrong with the others.

use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue};

use crate::config::Config;

/// How the names of our variables begin.
const VARIABLES: &str = "SKEPD_";

/// What the standard library says of a text that is no whole number.
const NO_NUMBER: &str = "invalid digit found in string";

/// The environment variables that look like settings and are none.
pub(crate) fn unknown(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let command = Config::command();
    let known: Vec<_> = command
        .get_arguments()
        .filter_map(|a| a.get_env())
        .collect();
    names
        .filter(|name| !known.contains(&name.as_os_str()))
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with(VARIABLES))
        .collect()
}

/// What clap says of a bad value, and which variable it came from if no flag gave it.
pub(crate) fn explain(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg).cloned() else {
        return error;
    };
    let flag = flag.split(' ').next().unwrap_or_default();
    let given = |word: &OsString| word.to_str().is_some_and(|word| word.starts_with(flag));
    let mut command = Config::command();
    let variable = command
        .get_arguments()
        .find(|argument| flag.strip_prefix("--") == argument.get_long())
        .and_then(|argument| argument.get_env())
        .filter(|_| !arguments.iter().any(given));
    match variable {
        None => error,
        Some(name) => {
            let text = error
                .to_string()
                .replace(NO_NUMBER, "expected a whole number");
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            let name = name.to_string_lossy();
            command.error(error.kind(), format!("{name}: {}", text.trim_end()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_like_a_setting_is_found() {
        let names = ["SKEPD_BOGUS", "SKEPD_NODES", "SKEP_HOST", "HOME"];
        let found = unknown(names.into_iter().map(OsString::from));
        assert_eq!(found, ["SKEPD_BOGUS"]);
    }
}
