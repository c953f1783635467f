// SPDX-License-Identifier: Apache-2.0
//! Lets tasks that are to stop go, once no node sends them connections any more.

use std::time::Duration;

use skep_core::control::Drainer;
use skep_core::model::NodeId;
use skep_core::state::Write;
use tokio_util::sync::CancellationToken;

use crate::loops::{Feed, until};
use crate::trouble::Trouble;

use super::Dispatch;

/// How long a release that was refused waits before it is tried again.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Looks at what nodes confirm, until `stop`.
pub(super) async fn run(dispatch: Dispatch, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = release(dispatch) => {}
    }
}

async fn release(dispatch: Dispatch) {
    let inner = &dispatch.inner;
    let mut feed = Feed::new(inner.cluster.clone());
    let mut drainer = Drainer::default();
    let mut trouble = Trouble::new("release tasks that are to stop");
    loop {
        let news = feed.take();
        match &news.steps {
            Some(steps) => drainer.observe(steps),
            None => drainer.missed(),
        }
        let change = if drainer.is_waiting() {
            let confirmed = inner.hub.confirmed();
            let confirmed = |node: NodeId| confirmed.get(&node).copied().unwrap_or_default();
            drainer.turn(&news.state, &confirmed, inner.clock.now())
        } else {
            None
        };
        let Some(change) = change else {
            let wake_at = drainer.wake_at();
            tokio::select! {
                () = feed.changed() => {}
                () = inner.hub.confirms.notified(), if drainer.is_waiting() => {}
                () = until(wake_at, &*inner.clock) => {}
            }
            continue;
        };
        report(&change.writes);
        match inner.cluster.propose(change).await {
            Ok(proposed) if proposed.refusal.is_none() => trouble.over(),
            // A node came back meanwhile. It is looked at again, but not at full speed.
            Ok(_) => tokio::time::sleep(REFUSED_PAUSE).await,
            Err(error) => tokio::time::sleep(trouble.failed(&error)).await,
        }
    }
}

/// Says so if nodes were waited for in vain.
fn report(writes: &[Write]) {
    let given_up = |write: &&Write| {
        matches!(
            write,
            Write::ReleaseTask {
                unconfirmed: true,
                ..
            }
        )
    };
    let tasks = writes.iter().filter(given_up).count();
    if tasks > 0 {
        tracing::warn!(
            tasks,
            "not every node has confirmed in time that it sends tasks no new connections; they \
             are stopped all the same"
        );
    }
}
