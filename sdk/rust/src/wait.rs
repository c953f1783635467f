// SPDX-License-Identifier: Apache-2.0
//! Waiting until a service is as wanted and stays so, or waiting longer does not help.
//!
//! The service says both itself, by its conditions: here is only what a clock is needed for.

use std::time::Duration;

use futures::TryStreamExt;
use prost_types::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Code;

use crate::client::Client;
use crate::error::Error;
use crate::v1::condition::Status;
use crate::v1::{
    Condition, ErrorReason, GetServiceRequest, ListTasksRequest, Service, ServiceFilter,
    TaskFilter, TaskState, WatchRequest,
};
use crate::view::{Identified, Object, View};
use crate::watch::WatchEvent;

/// How long a service has to stay converged before that counts, unless the caller says otherwise.
pub const STABLE_FOR: Duration = Duration::from_secs(5);
/// How long a wait whose time is over may ask why.
const CAUSES_TIMEOUT: Duration = Duration::from_secs(5);
/// How many tasks without a node it looks at: a page.
const CAUSES_TASKS: u32 = 1_000;

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

/// How far a wait is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The goal is not reached.
    Moving,
    /// All is as wanted, and is being watched whether it stays so.
    Settling,
}

impl Client {
    /// Waits until a service, as its answer showed it, has converged and stayed so; gives it as
    /// it is then.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with the reason of the condition STALLED: waiting longer does not
    /// help. DEADLINE_EXCEEDED when the time is over: UNPLACED, tasks have no node, or
    /// NOT_CONVERGED. NOT_FOUND, OBJECT_NOT_FOUND: it was deleted. Those of a watch that cannot
    /// go on.
    pub async fn wait_converged(
        &self,
        service: &Service,
        options: WaitOptions,
    ) -> Result<Service, Error> {
        let spec_revision = service.meta.as_ref().map_or(0, |meta| meta.spec_revision);
        let goal = Goal::Converged { spec_revision };
        let mut view = View::default();
        let request = watch_of(service.id(), false);
        let wait = self.run(service.id(), goal, options, request, &mut view, |_, _| ());
        wait.await.map_err(|mut error| {
            if error.is(ErrorReason::ObjectNotFound) {
                let name = name_of(Some(service), service.id()).to_owned();
                error.metadata.entry("service".into()).or_insert(name);
            }
            error
        })?;
        Ok(view.service().cloned().unwrap_or_default())
    }

    /// Waits for a goal, keeps the service and its tasks in `view`, and has `observe` look at it
    /// after every change.
    ///
    /// # Errors
    /// Those of [`Client::wait_converged`]; with [`Goal::Deleted`] a time that is over is
    /// NOT_DELETED.
    pub async fn wait(
        &self,
        service: &str,
        goal: Goal,
        options: WaitOptions,
        view: &mut View<Object>,
        observe: impl FnMut(&View<Object>, Phase),
    ) -> Result<(), Error> {
        let request = watch_of(service, true);
        let wait = self.run(service, goal, options, request, view, observe);
        wait.await
    }

    async fn run(
        &self,
        service: &str,
        goal: Goal,
        options: WaitOptions,
        request: WatchRequest,
        view: &mut View<Object>,
        observe: impl FnMut(&View<Object>, Phase),
    ) -> Result<(), Error> {
        let stable_for = options.stable_for;
        let wait = self.follow(service, goal, stable_for, request, view, observe);
        // Too long to be a point in time is as good as for ever.
        let until = options
            .timeout
            .and_then(|it| Instant::now().checked_add(it));
        let ended = match until {
            None => Ok(wait.await),
            Some(until) => timeout_at(until, wait).await,
        };
        match ended {
            Ok(outcome) => outcome,
            Err(_) => Err(self.timed_out(service, goal, view.service()).await),
        }
    }

    async fn follow(
        &self,
        service: &str,
        goal: Goal,
        stable_for: Duration,
        request: WatchRequest,
        view: &mut View<Object>,
        mut observe: impl FnMut(&View<Object>, Phase),
    ) -> Result<(), Error> {
        let mut events = self.watch::<Object>(request);
        let mut hold = Hold::default();
        let mut is_new = false;
        loop {
            let event = match hold.due(stable_for) {
                None => events.try_next().await?,
                Some(due) => match timeout_at(due, events.try_next()).await {
                    Ok(event) => event?,
                    Err(_) => {
                        if self.proves(service, goal, &mut hold, view).await? {
                            return Ok(());
                        }
                        continue;
                    }
                },
            };
            // A watch ends with an error only.
            let Some(event) = event else { continue };
            let closes = matches!(event, WatchEvent::Progress { .. });
            view.apply(event);
            is_new |= !closes;
            if closes && std::mem::take(&mut is_new) {
                let claim = match judge(view.service(), goal, stable_for)? {
                    Verdict::Reached => return Ok(()),
                    Verdict::Holds(claim) => Some(claim),
                    Verdict::Moving => None,
                };
                hold.see(claim);
                let settling = hold.0.is_some();
                observe(
                    view,
                    if settling {
                        Phase::Settling
                    } else {
                        Phase::Moving
                    },
                );
            }
        }
    }

    /// Whether a read shows that all is still as it was seen: a watch that is silent may be cut
    /// off. One that fails or shows a break begins the time anew.
    async fn proves(
        &self,
        service: &str,
        goal: Goal,
        hold: &mut Hold,
        view: &mut View<Object>,
    ) -> Result<bool, Error> {
        let request = GetServiceRequest {
            service: service.to_owned(),
            ..GetServiceRequest::default()
        };
        let read = self.services().get_service(request).await;
        let claimed = hold.0.take().map(|(claim, _)| claim);
        match read.map_err(Error::from) {
            Ok(answer) => {
                let service = answer.into_inner().service.unwrap_or_default();
                let claim = match judge(Some(&service), goal, Duration::MAX)? {
                    Verdict::Reached => {
                        view.apply(WatchEvent::Changed(Object::Service(service)));
                        return Ok(true);
                    }
                    Verdict::Holds(claim) => Some(claim),
                    Verdict::Moving => None,
                };
                let is_proven = claim.is_some() && claim == claimed;
                if is_proven {
                    view.apply(WatchEvent::Changed(Object::Service(service)));
                }
                hold.see(claim);
                Ok(is_proven)
            }
            // The watch tells of a service that is gone, and goes on once there is a manager.
            Err(error) if error.is_local() || is_passing(error.code) => {
                hold.see(claimed);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// What to say when the time is over.
    async fn timed_out(&self, id: &str, goal: Goal, service: Option<&Service>) -> Error {
        let over = |reason: &str, message: String| {
            Error::of_wait(
                Code::DeadlineExceeded,
                reason,
                message,
                name_of(service, id),
            )
        };
        if goal == Goal::Deleted {
            return over(
                "NOT_DELETED",
                "its tasks have not stopped in time".to_owned(),
            );
        }
        let asked = timeout(CAUSES_TIMEOUT, self.unplaced(id)).await;
        let causes = asked.map(Result::unwrap_or_default).unwrap_or_default();
        if !causes.is_empty() {
            let causes = causes.join("; ");
            return over("UNPLACED", format!("tasks have no node: {causes}"));
        }
        let converged = service.and_then(|service| condition(service, "CONVERGED"));
        let message = converged.map(|it| it.message.clone());
        let message = message.unwrap_or_else(|| "it was not seen in time".to_owned());
        let mut error = over("NOT_CONVERGED", message);
        let facts = &mut error.metadata;
        facts.insert("condition".into(), "CONVERGED".into());
        error
    }

    /// Why tasks of a service have no node.
    async fn unplaced(&self, service: &str) -> Result<Vec<String>, Error> {
        let request = ListTasksRequest {
            filter: Some(TaskFilter {
                services: vec![service.to_owned()],
                states: vec![TaskState::Pending.into()],
                ..TaskFilter::default()
            }),
            page_size: CAUSES_TASKS,
            ..ListTasksRequest::default()
        };
        let tasks = self.tasks().list_tasks(request).await?.into_inner().tasks;
        let wanted = tasks
            .into_iter()
            .filter(|task| task.desired_state() <= TaskState::Running);
        let unplaced = wanted.filter_map(|task| task.status?.unplaced);
        let causes = unplaced.flat_map(|unplaced| unplaced.causes);
        let mut found: Vec<String> = Vec::new();
        for cause in causes {
            if !found.contains(&cause.message) {
                found.push(cause.message);
            }
        }
        Ok(found)
    }
}

fn watch_of(service: &str, with_tasks: bool) -> WatchRequest {
    let services = vec![service.to_owned()];
    WatchRequest {
        tasks: with_tasks.then(|| TaskFilter {
            services: services.clone(),
            ..TaskFilter::default()
        }),
        services: Some(ServiceFilter {
            services,
            ..ServiceFilter::default()
        }),
        ..WatchRequest::default()
    }
}

/// That a service has converged, as it says itself: the revision of its spec, and the time it
/// began to hold. Another time means that there was a break.
type Claim = (u64, Option<Timestamp>);

/// A claim, and since when it is watched.
#[derive(Default)]
struct Hold(Option<(Claim, Instant)>);

impl Hold {
    /// Goes on watching the same claim, or begins anew with another.
    fn see(&mut self, claim: Option<Claim>) {
        let before = self.0.take();
        self.0 = claim.map(|claim| match before {
            Some((known, since)) if known == claim => (known, since),
            _ => (claim, Instant::now()),
        });
    }

    /// When it has been watched for long enough.
    fn due(&self, stable_for: Duration) -> Option<Instant> {
        self.0
            .as_ref()
            .and_then(|(_, since)| since.checked_add(stable_for))
    }
}

enum Verdict {
    Moving,
    Holds(Claim),
    Reached,
}

/// What a service says of a goal. STALLED comes first: it can hold together with CONVERGED.
fn judge(service: Option<&Service>, goal: Goal, stable_for: Duration) -> Result<Verdict, Error> {
    let spec_revision = match (service, goal) {
        (None, Goal::Deleted) => return Ok(Verdict::Reached),
        (Some(_), Goal::Deleted) => return Ok(Verdict::Moving),
        (_, Goal::Converged { spec_revision }) => spec_revision,
    };
    let Some(service) = service else {
        let message = "it was deleted meanwhile".to_owned();
        return Err(Error::of_wait(
            Code::NotFound,
            "OBJECT_NOT_FOUND",
            message,
            "",
        ));
    };
    let holds = |name: &str| {
        condition(service, name).filter(|condition| {
            condition.status() == Status::True && condition.observed_spec_revision >= spec_revision
        })
    };
    if let Some(stalled) = holds("STALLED") {
        let (reason, message) = (&stalled.reason, stalled.message.clone());
        let name = name_of(Some(service), "");
        let mut error = Error::of_wait(Code::FailedPrecondition, reason, message, name);
        error.metadata.insert("condition".into(), "STALLED".into());
        return Err(error);
    }
    let Some(converged) = holds("CONVERGED") else {
        return Ok(Verdict::Moving);
    };
    // What has done its work cannot end.
    let runs = service
        .status
        .as_ref()
        .is_some_and(|it| it.running_tasks > 0);
    if stable_for.is_zero() || !runs {
        return Ok(Verdict::Reached);
    }
    let claim = (converged.observed_spec_revision, converged.transition_time);
    Ok(Verdict::Holds(claim))
}

fn condition<'a>(service: &'a Service, name: &str) -> Option<&'a Condition> {
    let conditions = &service.status.as_ref()?.conditions;
    conditions.iter().find(|condition| condition.r#type == name)
}

fn name_of<'a>(service: Option<&'a Service>, id: &'a str) -> &'a str {
    let spec = service.and_then(|service| service.spec.as_ref());
    spec.map_or(id, |spec| &spec.name)
}

/// Whether a read that failed with this says nothing about the next one.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound | Code::Unavailable | Code::DeadlineExceeded
    )
}
