// SPDX-License-Identifier: Apache-2.0
//! What the daemon says of itself, on standard error.

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Begins to log.
///
/// # Errors
/// If the level is none.
pub fn start(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log_level).with_context(|| {
        format!(
            "--log-level \"{}\" is none: say error, warn, info, debug or trace",
            config.log_level
        )
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
