// SPDX-License-Identifier: Apache-2.0
//! What waits for the disk.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use skep_core::model::Revision;
use skep_core::node_agent::Plan;

use super::disk::{Disk, MemoryError, Pages};

/// The wait after a failure, before it is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A plan that may be carried out once it is remembered.
#[derive(Default)]
pub(super) struct Save {
    waiting: Option<Waiting>,
    failure: Option<String>,
}

struct Waiting {
    disk: Option<Disk>,
    pages: Arc<Pages>,
    plan: Plan,
    revision: Revision,
    writing: Option<BoxFuture<'static, Result<(), MemoryError>>>,
}

/// A plan that is remembered, with the assignments through this revision; or why not.
pub(super) struct Saved {
    pub(super) result: Result<(), MemoryError>,
    pub(super) plan: Plan,
    pub(super) revision: Revision,
}

impl Save {
    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_none()
    }

    /// Begins to write pages, for a plan that follows from them.
    pub(super) fn begin(
        &mut self,
        disk: Option<&Disk>,
        pages: Pages,
        plan: Plan,
        revision: Revision,
    ) {
        let mut waiting = Waiting {
            disk: disk.cloned(),
            pages: Arc::new(pages),
            plan,
            revision,
            writing: None,
        };
        waiting.write(Duration::ZERO);
        self.waiting = Some(waiting);
    }

    /// The plan that is remembered now, or a failure, after which it is tried again. For ever
    /// nothing while nothing waits.
    pub(super) async fn next(&mut self) -> Saved {
        let Some(waiting) = &mut self.waiting else {
            return std::future::pending().await;
        };
        let result = match &mut waiting.writing {
            Some(writing) => writing.await,
            None => Ok(()),
        };
        match result {
            Ok(()) => {
                let done = self.waiting.take().expect("it was there a line ago");
                Saved {
                    result: Ok(()),
                    plan: done.plan,
                    revision: done.revision,
                }
            }
            Err(error) => {
                waiting.write(RETRY_DELAY);
                Saved {
                    result: Err(error),
                    plan: Plan::default(),
                    revision: Revision(0),
                }
            }
        }
    }

    /// Notes whether writing works. Says whether that is news.
    pub(super) fn note(&mut self, result: &Result<(), MemoryError>) -> bool {
        let failure = result.as_ref().err().map(ToString::to_string);
        if self.failure == failure {
            return false;
        }
        match &failure {
            Some(error) => tracing::error!(error, "the agent cannot remember what it does"),
            None => tracing::info!("the agent can remember again"),
        }
        self.failure = failure;
        true
    }

    /// Why nothing can be written; nothing: it can.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }
}

impl Waiting {
    fn write(&mut self, delay: Duration) {
        let Some(disk) = self.disk.clone().filter(|_| !self.pages.is_empty()) else {
            return;
        };
        let pages = self.pages.clone();
        self.writing = Some(Box::pin(async move {
            tokio::time::sleep(delay).await;
            let file = disk.dir().to_owned();
            let written = tokio::task::spawn_blocking(move || disk.save(&pages)).await;
            written.unwrap_or_else(|broken| {
                let source = broken.into();
                Err(MemoryError::Io { file, source })
            })
        }));
    }
}
