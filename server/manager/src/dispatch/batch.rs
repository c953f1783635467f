// SPDX-License-Identifier: Apache-2.0
//! Reports of many sessions, written together: one entry of the log for all that came while the
//! one before was being written.

use std::sync::Arc;

use skep_core::state::{Change, Write};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, ClusterError};
use crate::member::Clock;
use crate::trouble::Trouble;

/// Most writes that are put into one entry.
const WRITES_MAX: usize = 2_000;
/// Reports that wait to be written; a session with more to say waits.
const WAITING_MAX: usize = 4_096;

/// What one session wants written.
struct Report {
    writes: Vec<Write>,
    done: oneshot::Sender<Result<(), ClusterError>>,
}

/// Takes reports.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    reports: mpsc::Sender<Report>,
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a report of {} writes", self.writes.len())
    }
}

impl Batch {
    pub(super) fn start(
        cluster: Arc<dyn Cluster>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Batch {
        let (reports, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = run(cluster, clock, waiting) => {}
            }
        });
        Batch { reports }
    }

    /// Writes what a session reports; done once it is in the log and applied. These writes are
    /// merges that are never refused.
    pub(super) async fn write(&self, writes: Vec<Write>) -> Result<(), ClusterError> {
        let stopped = || ClusterError::NotReady("the manager is stopping".to_owned());
        let (done, written) = oneshot::channel();
        self.reports
            .send(Report { writes, done })
            .await
            .map_err(|_| stopped())?;
        written.await.map_err(|_| stopped())?
    }
}

async fn run(
    cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
    mut waiting: mpsc::Receiver<Report>,
) {
    let mut trouble = Trouble::new("write what agents report");
    while let Some(first) = waiting.recv().await {
        let mut writes = first.writes;
        let mut tell = vec![first.done];
        while writes.len() < WRITES_MAX
            && let Ok(next) = waiting.try_recv()
        {
            writes.extend(next.writes);
            tell.push(next.done);
        }
        let change = Change {
            writes,
            time: clock.now(),
            ..Change::default()
        };
        let written = cluster.propose(change).await.map(drop);
        match &written {
            Ok(()) => trouble.over(),
            // Each session waits by itself before it ends, see there.
            Err(error) => {
                trouble.failed(error);
            }
        }
        for done in tell {
            // A session that is gone needs no answer: its agent reports again.
            let _ = done.send(written.clone());
        }
    }
}
