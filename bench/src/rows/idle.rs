// SPDX-License-Identifier: Apache-2.0
//! What a program costs of which nothing is asked.

use std::time::Duration;

use anyhow::Result;

use super::{Sample, Setup, Side};
use crate::proc::{Meter, memory_mib};
use crate::server::Server;

/// Nodes of the swarm.
const NODES: u32 = 3;
/// How long a program may settle first.
const SETTLE: Duration = Duration::from_secs(2);
/// The measurement is so many times as long as that of other rows: there is little to see.
const TIMES: f64 = 2.0;

/// Measures either side.
pub(super) async fn measure(setup: &Setup, side: Side) -> Result<Sample> {
    let server = match side {
        Side::Skep => Server::skepd(&setup.programs, NODES, &[]).await?,
        Side::Peer => Server::etcd(&setup.programs).await?,
    };
    tokio::time::sleep(SETTLE).await;
    let meter = Meter::start(server.pid())?;
    tokio::time::sleep(Duration::from_secs_f64(setup.seconds * TIMES)).await;
    let usage = meter.stop()?;
    let memory = memory_mib(server.pid(), "VmRSS")?;
    server.stop().await?;
    Ok(Sample {
        // The kernel counts in steps of 10 ms; less than one was not seen.
        value: usage.cpu * 1e3 / usage.wall,
        operations: 0,
        usage,
        note: format!("{memory:.1} MiB resident"),
    })
}
