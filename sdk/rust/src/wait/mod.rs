// SPDX-License-Identifier: Apache-2.0
//! Waiting until a service is as wanted and stays so, or it is known that it will not be.

mod attempts;
mod judge;
mod sight;

use std::time::Duration;

use futures::TryStreamExt;
use tokio::time::Instant;
use tonic::Code;

use crate::client::Client;
use crate::error::Error;
use crate::v1::{
    Condition, GetServiceRequest, Service, ServiceFilter, TaskFilter, Unplaced, WatchRequest,
};
use crate::view::{Identified, Object};
use crate::watch::{Watch, WatchEvent};

pub use attempts::{FAILURES_MAX, Failing};
pub use judge::{Judge, Step};
pub use sight::Sight;

/// How long a service has to stay converged before that counts, unless the caller says otherwise.
pub const STABLE_FOR: Duration = Duration::from_secs(5);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The tasks are as the spec of this revision, or a later one, wants them.
    Converged {
        /// The `meta.spec_revision` of the change's answer.
        spec_revision: u64,
    },
    /// The service and its tasks are gone.
    Deleted,
}

/// How to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitOptions {
    /// The longest wait; none: for ever.
    pub timeout: Option<Duration>,
    /// How long the service has to stay converged, without a break, before that counts. Zero: it
    /// counts at once, which a program that ends right after its start can pass.
    pub stable_for: Duration,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self {
            timeout: None,
            stable_for: STABLE_FOR,
        }
    }
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All tasks wanted run and are up to date, and stayed so.
    Converged,
    /// The change has failed, and nothing more will happen by itself: the condition that says
    /// so, with its reason.
    Stalled(Condition),
    /// Tasks end again and again before they are stable, and nothing else is on its way. The
    /// swarm goes on making new attempts.
    CrashLoop(Vec<Failing>),
    /// The service is gone: what was waited for, or someone deleted it meanwhile.
    Deleted,
    /// The time is over. If there are entries, tasks have found no node, and why: then waiting
    /// longer would not have helped.
    TimedOut(Vec<Unplaced>),
}

/// The end of a wait.
#[derive(Debug, Clone, PartialEq)]
pub struct Waited {
    /// How it ended.
    pub outcome: Outcome,
    /// What was last seen.
    pub sight: Sight,
}

/// How far a wait is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The goal is not reached.
    Moving,
    /// All is as wanted, and is being watched whether it stays so.
    Settling,
}

impl Client {
    /// Waits until a service, as its answer showed it, has converged and stayed so, or failed to.
    ///
    /// # Errors
    /// Those of a watch that cannot go on. That tasks fail or find no node is an [`Outcome`].
    pub async fn wait_converged(
        &self,
        service: &Service,
        options: WaitOptions,
    ) -> Result<Waited, Error> {
        let spec_revision = service.meta.as_ref().map_or(0, |meta| meta.spec_revision);
        let goal = Goal::Converged { spec_revision };
        self.wait(service.id(), goal, options, |_, _| ()).await
    }

    /// Waits for a goal, and shows `observe` what is seen after every change.
    ///
    /// # Errors
    /// Those of a watch that cannot go on.
    pub async fn wait(
        &self,
        service_id: &str,
        goal: Goal,
        options: WaitOptions,
        observe: impl FnMut(&Sight, Phase),
    ) -> Result<Waited, Error> {
        let mut waiting = Waiting {
            client: self,
            service_id,
            sight: Sight::default(),
            judge: Judge::new(goal, options.stable_for),
            observe,
        };
        // Too long to be a point in time is as good as for ever.
        let until = options
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let outcome = match until {
            None => waiting.run().await?,
            Some(until) => match tokio::time::timeout_at(until, waiting.run()).await {
                Ok(outcome) => outcome?,
                Err(_) => Outcome::TimedOut(waiting.sight.unplaced()),
            },
        };
        let sight = waiting.sight;
        Ok(Waited { outcome, sight })
    }

    /// A watch on one service and its tasks.
    fn watch_service(&self, service_id: &str) -> Watch<Object> {
        let ids = vec![service_id.to_owned()];
        self.watch(WatchRequest {
            tasks: Some(TaskFilter {
                services: ids.clone(),
                ..TaskFilter::default()
            }),
            services: Some(ServiceFilter {
                services: ids,
                ..ServiceFilter::default()
            }),
            ..WatchRequest::default()
        })
    }
}

/// The part of a wait that does IO; what it means is for the [`Judge`].
struct Waiting<'a, F> {
    client: &'a Client,
    service_id: &'a str,
    sight: Sight,
    judge: Judge,
    observe: F,
}

impl<F: FnMut(&Sight, Phase)> Waiting<'_, F> {
    async fn run(&mut self) -> Result<Outcome, Error> {
        let mut watch = self.client.watch_service(self.service_id);
        let mut is_new = false;
        let mut step = Step::GoOn;
        loop {
            let event = match step {
                Step::End(outcome) => return Ok(outcome),
                Step::GoOn => watch.try_next().await?,
                Step::ReadAt(due) => match tokio::time::timeout_at(due, watch.try_next()).await {
                    Ok(event) => event?,
                    Err(_) => {
                        step = self.read().await?;
                        continue;
                    }
                },
            };
            // A watch ends with an error only.
            let Some(event) = event else { continue };
            let closes = matches!(event, WatchEvent::Progress { .. });
            self.sight.apply(event);
            is_new |= !closes;
            if closes && std::mem::take(&mut is_new) {
                step = self.judge.see(&self.sight, Instant::now());
                let phase = match step {
                    Step::ReadAt(_) => Phase::Settling,
                    Step::GoOn | Step::End(_) => Phase::Moving,
                };
                (self.observe)(&self.sight, phase);
            }
        }
    }

    /// Asks whether it is still as it was seen: a watch that is silent may be cut off.
    async fn read(&mut self) -> Result<Step, Error> {
        let request = GetServiceRequest {
            service: self.service_id.to_owned(),
            ..GetServiceRequest::default()
        };
        match self.client.services().get_service(request).await {
            Ok(answer) => {
                let service = answer.into_inner().service.unwrap_or_default();
                Ok(self.judge.read(&service, Instant::now()))
            }
            Err(status) => {
                let error = Error::from(status);
                // The watch tells of a service that is gone, and goes on once there is a manager.
                if error.is_local() || is_passing(error.code) {
                    return Ok(self.judge.unread(Instant::now()));
                }
                Err(error)
            }
        }
    }
}

/// Whether a read that failed with this says nothing about the next one.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound | Code::Unavailable | Code::DeadlineExceeded
    )
}
