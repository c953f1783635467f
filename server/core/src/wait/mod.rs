// SPDX-License-Identifier: Apache-2.0
//! Waiting for a service: until it has converged and stayed so, or is gone; or until waiting
//! longer does not help, or the time is over.
//!
//! The service says by its conditions whether it has converged or stalled. What is decided here
//! is what a clock is needed for: for how long it has to hold, and when to give up. The clock is
//! an argument: what has passed since the wait began.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::model::{Condition, DesiredState, Name, Revision, Service, ServiceId, Timestamp};
use crate::state::State;
use crate::state::derive::{CONVERGED, STALLED};

/// Most tasks without a node that are looked at when the time is over.
const UNPLACED_TASKS_MAX: usize = 1_000;

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goal {
    /// The tasks are as the spec of this revision, or a later one, wants them; nothing: the spec
    /// of when the wait begins.
    Converged(Option<Revision>),
    /// The service and its tasks are gone.
    Deleted,
}

/// How to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// What for.
    pub goal: Goal,
    /// How long.
    pub timeout: Duration,
    /// How long the service has to stay converged, without a break, before that counts. Zero: it
    /// counts at once.
    pub stable_for: Duration,
}

/// Why a wait has failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It was to converge, and was deleted.
    Gone {
        /// What it was called.
        service: Name,
    },
    /// Waiting longer does not help, says the condition STALLED.
    Stalled {
        /// What it is called.
        service: Name,
        /// The reason of the condition.
        reason: String,
        /// Its message.
        message: String,
    },
    /// The time is over, and tasks have no node.
    Unplaced {
        /// What it is called.
        service: Name,
        /// Why, each cause once.
        causes: Vec<String>,
    },
    /// The time is over, and it has not converged and stayed so.
    NotConverged {
        /// What it is called.
        service: Name,
        /// What the condition CONVERGED says.
        message: String,
        /// It has converged, but has not stayed so for as long as this.
        stable_for: Option<Duration>,
    },
    /// The time is over, and it is not gone.
    NotDeleted {
        /// What it is called.
        service: Name,
        /// Its deletion has begun.
        begun: bool,
    },
}

/// What a look at the service says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing yet: look again when something has changed, and at this time.
    Wait {
        /// What will have passed then.
        until: Duration,
    },
    /// It has held for as long as it must, by what was seen: look again with a state that is
    /// surely the newest.
    Prove,
    /// It is as was waited for.
    Reached,
    /// It will not be.
    Failed(Ending),
}

/// That a service has converged, as it says itself: the revision of its spec, and the time at
/// which that began to hold. Another time means that there was a break.
type Claim = (Revision, Timestamp);

/// One wait for one service.
#[derive(Clone, Debug)]
pub struct Wait {
    options: Options,
    /// The spec that it must have converged on.
    spec_revision: Revision,
    id: ServiceId,
    name: Name,
    /// What it claims, and what had passed when that was seen first.
    hold: Option<(Claim, Duration)>,
}

impl Wait {
    /// Begins to wait for this service.
    #[must_use]
    pub fn new(options: Options, service: &Service) -> Wait {
        let asked = match options.goal {
            Goal::Converged(asked) => asked,
            Goal::Deleted => None,
        };
        Wait {
            options,
            spec_revision: asked.unwrap_or(service.meta.spec_revision),
            id: service.meta.id,
            name: service.spec.name.clone(),
            hold: None,
        }
    }

    /// The service that is waited for.
    #[must_use]
    pub fn service(&self) -> ServiceId {
        self.id
    }

    /// Looks at the service in a state, which is surely the newest if `is_newest`, after `passed`
    /// since the wait began.
    pub fn look(&mut self, state: &State, is_newest: bool, passed: Duration) -> Verdict {
        let service = state.service(self.id);
        let claim = match judge(service.map(AsRef::as_ref), self.options, self.spec_revision) {
            Judgement::Reached => return Verdict::Reached,
            Judgement::Gone => {
                let service = self.name.clone();
                return Verdict::Failed(Ending::Gone { service });
            }
            Judgement::Stalled(condition) => {
                return Verdict::Failed(Ending::Stalled {
                    service: self.name.clone(),
                    reason: condition.reason.to_string(),
                    message: condition.message.to_string(),
                });
            }
            Judgement::Holds(claim) => Some(claim),
            Judgement::Moving => None,
        };
        let timeout = self.options.timeout;
        match self.see(claim, passed) {
            Some(due) if passed >= due && is_newest => Verdict::Reached,
            Some(due) if passed >= due => Verdict::Prove,
            _ if passed >= timeout => Verdict::Failed(self.time_over(state)),
            due => Verdict::Wait {
                until: due.map_or(timeout, |due| due.min(timeout)),
            },
        }
    }

    /// Goes on watching the same claim, or begins anew with another; when it will have held for
    /// as long as it must.
    fn see(&mut self, claim: Option<Claim>, passed: Duration) -> Option<Duration> {
        let before = self.hold.take();
        self.hold = claim.map(|claim| match before {
            Some((known, since)) if known == claim => (known, since),
            _ => (claim, passed),
        });
        let (_, since) = self.hold?;
        Some(since.saturating_add(self.options.stable_for))
    }

    /// What to say when the time is over.
    fn time_over(&self, state: &State) -> Ending {
        let service = self.name.clone();
        let present = state.service(self.id);
        if self.options.goal == Goal::Deleted {
            let begun = present.is_none_or(|present| present.is_deleting());
            return Ending::NotDeleted { service, begun };
        }
        let causes = causes(state, self.id);
        if !causes.is_empty() {
            return Ending::Unplaced { service, causes };
        }
        let converged = present.and_then(|present| condition(present, CONVERGED));
        Ending::NotConverged {
            service,
            message: converged.map_or_else(String::new, |it| it.message.to_string()),
            stable_for: self.hold.is_some().then_some(self.options.stable_for),
        }
    }
}

/// What a service says of a goal.
enum Judgement<'a> {
    Moving,
    Holds(Claim),
    Reached,
    Gone,
    Stalled(&'a Condition),
}

/// STALLED comes first: it can hold together with CONVERGED.
fn judge(service: Option<&Service>, options: Options, spec_revision: Revision) -> Judgement<'_> {
    let service = match (service, options.goal) {
        (None, Goal::Deleted) => return Judgement::Reached,
        (Some(_), Goal::Deleted) => return Judgement::Moving,
        (None, Goal::Converged(_)) => return Judgement::Gone,
        (Some(service), Goal::Converged(_)) => service,
    };
    let holds = |kind: &str| {
        condition(service, kind).filter(|it| it.holds && it.observed_spec_revision >= spec_revision)
    };
    if let Some(stalled) = holds(STALLED) {
        return Judgement::Stalled(stalled);
    }
    let Some(converged) = holds(CONVERGED) else {
        return Judgement::Moving;
    };
    // What has done its work cannot end.
    if options.stable_for.is_zero() || service.status.running_tasks == 0 {
        return Judgement::Reached;
    }
    Judgement::Holds((converged.observed_spec_revision, converged.transition_time))
}

fn condition<'a>(service: &'a Service, kind: &str) -> Option<&'a Condition> {
    let mut conditions = service.status.conditions.iter();
    conditions.find(|condition| condition.kind == kind)
}

/// Why tasks of a service have no node, each cause once.
fn causes(state: &State, service: ServiceId) -> Vec<String> {
    let tasks = state.service_tasks(service);
    let wanted = tasks.filter(|task| task.desired <= DesiredState::Running);
    let unplaced = wanted.filter_map(|task| task.status.unplaced.as_ref());
    let mut found: Vec<String> = Vec::new();
    for cause in unplaced.take(UNPLACED_TASKS_MAX).flat_map(|it| &it.causes) {
        let message = cause.message.to_string();
        if !found.contains(&message) {
            found.push(message);
        }
    }
    found
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Gone { service } => write!(f, "service \"{service}\" was deleted meanwhile"),
            Ending::Stalled { message, .. } => f.write_str(message),
            Ending::Unplaced { causes, .. } => {
                write!(f, "tasks have no node: {}", causes.join("; "))
            }
            Ending::NotConverged {
                message,
                stable_for: None,
                ..
            } => f.write_str(message),
            Ending::NotConverged {
                message,
                stable_for: Some(span),
                ..
            } => write!(f, "{message}, but not yet for {} s", span.as_secs_f64()),
            Ending::NotDeleted { begun: true, .. } => {
                f.write_str("its tasks have not stopped in time")
            }
            Ending::NotDeleted {
                service,
                begun: false,
            } => write!(f, "nobody has deleted service \"{service}\""),
        }
    }
}
