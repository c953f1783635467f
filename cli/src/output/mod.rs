// SPDX-License-Identifier: Apache-2.0
//! Writing: results to standard output, talk to standard error.

pub(crate) mod format;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod listing;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod words;

use std::io::{self, Write};

/// Least width of an error in a table.
const MIN_ERROR_WIDTH: usize = 30;

/// Width of an error in a table that no terminal limits.
const FREE_ERROR_WIDTH: usize = 120;

/// What stands beside the error in a row of tasks, about.
const REST_OF_ROW: usize = 115;

/// Writes a result.
pub(crate) fn print(text: &str) {
    print_bytes(text.as_bytes());
}

/// Writes bytes to standard output. If nobody reads it any more (`skep ps | head`) the program
/// ends, as others do.
pub(crate) fn print_bytes(bytes: &[u8]) {
    end_if_unread(write_all(io::stdout().lock(), bytes));
}

/// Writes bytes to standard error.
pub(crate) fn print_error_bytes(bytes: &[u8]) {
    end_if_unread(write_all(io::stderr().lock(), bytes));
}

/// Says something that is no result.
pub(crate) fn notice(line: &str) {
    print_error_bytes(format!("{line}\n").as_bytes());
}

fn write_all(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

fn end_if_unread(outcome: io::Result<()>) {
    match outcome {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            // Nothing can be said if standard error itself is what fails.
            let _ = writeln!(io::stderr(), "Error: cannot write the result: {error}");
            std::process::exit(1);
        }
    }
}

/// How wide an error in a table may be: what the terminal has left, or much on a pipe.
pub(crate) fn error_width() -> usize {
    match console::Term::stdout().size_checked() {
        Some((_, columns)) => usize::from(columns)
            .saturating_sub(REST_OF_ROW)
            .max(MIN_ERROR_WIDTH),
        None => FREE_ERROR_WIDTH,
    }
}
