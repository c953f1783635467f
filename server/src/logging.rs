// SPDX-License-Identifier: Apache-2.0
//! What the daemon says of itself, on standard error.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// The Raft library tells of every step it takes: of use to those who look into it.
const QUIET: &str = "openraft=error";

/// Begins to log.
///
/// # Errors
/// If the level is none.
pub(crate) fn start(config: &Config) -> Result<()> {
    let level = &config.log_level;
    let text = if level.contains("openraft") {
        level.clone()
    } else {
        format!("{level},{QUIET}")
    };
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
