// SPDX-License-Identifier: Apache-2.0
//! What happened since a loop last looked.

use std::sync::Arc;

use imbl::Vector;
use skep_core::model::Revision;
use skep_core::state::{State, Step};
use tokio::sync::watch;

use crate::cluster::Cluster;

/// One loop's place in the history.
pub(crate) struct Feed {
    cluster: Arc<dyn Cluster>,
    heads: watch::Receiver<Revision>,
    seen: Option<Revision>,
}

/// The newest state, and the steps since the last look.
pub(crate) struct News {
    pub(crate) state: State,
    /// Nothing: it is not known what happened since.
    pub(crate) steps: Option<Vector<Step>>,
}

impl Feed {
    pub(crate) fn new(cluster: Arc<dyn Cluster>) -> Feed {
        Feed {
            heads: cluster.heads(),
            cluster,
            seen: None,
        }
    }

    /// Looks.
    pub(crate) fn take(&mut self) -> News {
        self.heads.borrow_and_update();
        let mut news = News {
            state: State::default(),
            steps: None,
        };
        let seen = self.seen;
        self.cluster.consult(&mut |source| {
            news.state = source.state.clone();
            news.steps = seen.and_then(|seen| source.history.after(seen));
        });
        self.seen = Some(news.state.revision());
        news
    }

    /// Waits for something to happen; for ever once the store is gone, as whoever drives the
    /// loop ends it then.
    pub(crate) async fn changed(&mut self) {
        if self.heads.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
