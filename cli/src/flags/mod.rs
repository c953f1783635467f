// SPDX-License-Identifier: Apache-2.0
//! Which flag sets which field of the contract, and which test shows it. `docs/cli-flags.md` is
//! written from this table, a test holds the table against the command line, and errors name
//! the flag beside the field that is bad.

mod proofs;
mod shared;
mod table;
#[cfg(test)]
mod tests;

use table::COMMANDS;

/// A command with its flags.
struct Command {
    /// Its name: `service create`; "" is `skep` itself.
    on: &'static str,
    /// The request that its flags go into; empty: none.
    request: &'static str,
    /// The flags, those that other commands have too in groups of their own.
    flags: &'static [&'static [Flag]],
}

impl Command {
    /// All its flags.
    fn flags(&self) -> impl DoubleEndedIterator<Item = &'static Flag> {
        self.flags.iter().flat_map(|group| group.iter())
    }
}

/// A flag of a command.
struct Flag {
    /// The flag in its long form, or the words after the flags in capitals.
    name: &'static str,
    /// The fields it sets in the request, by path; or what it does here.
    sets: Sets,
    /// The tests that show it: for the page and for the tests of this table alone.
    #[cfg_attr(not(test), allow(dead_code))]
    tests: &'static [&'static str],
}

/// What a flag sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sets {
    /// Fields of the request: `spec.name`.
    Fields(&'static [&'static str]),
    /// Something of the program itself.
    #[cfg_attr(not(test), allow(dead_code))]
    Here(&'static str),
}

impl Flag {
    /// How much of a path the longest of its fields covers that the path lies in.
    fn covers(&self, path: &str) -> Option<usize> {
        let Sets::Fields(fields) = self.sets else {
            return None;
        };
        let around = fields
            .iter()
            .filter(|field| **field != "spec" && is_within(path, field));
        around.map(|field| field.len()).max()
    }
}

/// The flag of a command that sets a field, given by its path in the request, such as
/// `spec.endpoint.ports[0].target`: the one whose field is the longest beginning of it.
pub(crate) fn flag_of(command: &str, path: &str) -> Option<&'static str> {
    let path = without_places(path);
    let command = COMMANDS
        .iter()
        .find(|known| known.on == command && !known.request.is_empty())?;
    let found = command
        .flags()
        .filter_map(|flag| Some((flag.covers(&path)?, flag.name)));
    // Of equals the last one found is taken: so the first in the table.
    found
        .rev()
        .max_by_key(|(length, _)| *length)
        .map(|(_, name)| name)
}

/// Whether a path is a field or lies within it.
fn is_within(path: &str, field: &str) -> bool {
    path.strip_prefix(field)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A path without the places in lists: `spec.endpoint.ports.target`.
fn without_places(path: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    plain
}
