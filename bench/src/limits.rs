// SPDX-License-Identifier: Apache-2.0
//! What the machine could do at best, measured in the same run: no figure of a row means much
//! without it.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::rounds::figure;
use crate::server::Programs;
use crate::stats::Latencies;

/// How long it may take.
const TIME: Duration = Duration::from_secs(1);
/// What is written before each sync.
const BLOCK: [u8; 512] = [7; 512];

/// The disk, as one writer sees it.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    syncs_per_second: f64,
    latencies: Latencies,
}

impl Limits {
    /// Measures.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub(crate) fn measure(programs: &Programs) -> Result<Limits> {
        let place = &programs.scratch;
        std::fs::create_dir_all(place)
            .with_context(|| format!("cannot make {}", place.display()))?;
        let mut file: File = tempfile::tempfile_in(place)?;
        let start = Instant::now();
        let mut latencies = Latencies::default();
        let mut syncs = 0_u32;
        while start.elapsed() < TIME {
            let began = Instant::now();
            file.write_all(&BLOCK)?;
            file.sync_data()?;
            latencies.add(began.elapsed());
            syncs += 1;
        }
        Ok(Limits {
            syncs_per_second: f64::from(syncs) / start.elapsed().as_secs_f64(),
            latencies,
        })
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} appends of {} bytes a second, each followed by fdatasync ({})",
            figure(self.syncs_per_second),
            BLOCK.len(),
            self.latencies
        )
    }
}
