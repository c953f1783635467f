// SPDX-License-Identifier: Apache-2.0
//! What the daemon says of itself, on standard error.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// The Raft library tells of every step it takes: of use to those who look into it. The client of
/// the Docker engine tells every answer, and with it the environment of containers: only those
/// who name it get to see that.
const QUIET: [(&str, &str); 2] = [("openraft", "error"), ("bollard", "warn")];

/// Begins to log.
///
/// # Errors
/// If the level is none.
pub(crate) fn start(config: &Config) -> Result<()> {
    let level = &config.log_level;
    let quiet = QUIET.iter().filter(|(room, _)| !level.contains(room));
    let text = quiet.fold(level.clone(), |text, (room, quiet)| {
        format!("{text},{room}={quiet}")
    });
    let filter = EnvFilter::try_new(text).with_context(|| {
        format!(
            "--log-level \"{}\" is none: say error, warn, info, debug or trace",
            config.log_level
        )
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            lines.with_target(false).with_ansi(colours).init();
        }
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
