// SPDX-License-Identifier: Apache-2.0
//! Saying that the daemon is ready, and where: `ready.json` in the data directory.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

const FILE: &str = "ready.json";

/// What others need to reach the daemon.
#[derive(Clone, Serialize, Debug)]
pub(crate) struct Ready {
    /// Its process id.
    pub pid: u32,
    /// The Unix socket of the API.
    pub socket: PathBuf,
    /// The address of the API in plain text, if it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev_addr: Option<SocketAddr>,
    /// The address of the metrics, if they are served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_addr: Option<SocketAddr>,
}

impl Ready {
    /// Writes the file, whole or not at all, and tells systemd, if it listens.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn announce(&self, data: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        let place = data.join(FILE);
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(data)?;
            writeln!(file, "{text}")?;
            file.persist(&place)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", place.display()))?;
        if let Err(error) = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]) {
            tracing::warn!(%error, "cannot tell systemd that the daemon is ready");
        }
        Ok(())
    }
}

/// Tells the service manager that the daemon stops: from here on what it does is no failure.
pub(crate) fn say_stopping() {
    if let Err(error) = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]) {
        tracing::warn!(%error, "cannot tell systemd that the daemon stops");
    }
}

/// Takes the file away: of a daemon that stops, or of one that was killed.
pub(crate) fn retract(data: &Path) {
    match std::fs::remove_file(data.join(FILE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "cannot remove {FILE}");
        }
        _ => {}
    }
}
