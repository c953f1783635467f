// SPDX-License-Identifier: Apache-2.0
//! What follows from the stored state: the status of a service.
//!
//! None of it is in the log. It is computed as each revision is applied, so it is the same
//! everywhere at every revision. Only the times at which conditions changed are history; a
//! snapshot carries them with the service.

mod stalled;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::model::{
    Availability, Condition, DesiredState, KeptTemplate, Node, NodeState, Outcome, Resources,
    Service, ServiceStatus, Task, Timestamp,
};
use crate::schedule::filter::requirements_hold;

use super::{State, Tally};

pub use stalled::{CRASH_LOOP, PORT_IN_USE, STALL_REASONS};

/// The condition that says that all tasks wanted run and are up to date.
pub const CONVERGED: &str = "CONVERGED";
/// The condition that says that waiting longer does not help unless something else changes.
pub const STALLED: &str = "STALLED";
/// The condition that says that at least one task runs.
pub const AVAILABLE: &str = "AVAILABLE";
/// The condition that says that no task waits for a node.
pub const PLACED: &str = "PLACED";

/// Whether a task keeps its place on a node that takes no new ones: it was placed there and is
/// meant to run, or it ended for good.
#[must_use]
pub fn keeps_node(task: &Task) -> bool {
    let placed = task.occupies().is_some() || task.outcome != Outcome::Open;
    task.desired <= DesiredState::Running && placed
}

/// What a node keeps of a service with one task a node, by [`keeps_node`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kept {
    /// No task.
    Nothing,
    /// A task of another workload than its present template has.
    Other,
    /// A task of the workload that its present template has.
    Same,
}

/// What this task is to its node, for its service.
#[must_use]
pub fn kept(state: &State, service: &Service, task: &Task) -> Kept {
    let template = state.template(task.service, task.template_revision);
    let workload = template.map(|kept| kept.template.workload.capability());
    if workload == Some(service.spec.template.workload.capability()) {
        Kept::Same
    } else {
        Kept::Other
    }
}

/// Whether a service with one task a node wants one on this node. A paused node keeps the task
/// it has, and so does one whose engine is gone: what that runs may go on without it.
#[must_use]
pub fn wants_node(service: &Service, node: &Node, kept: Kept) -> bool {
    let available = match node.spec.availability() {
        Availability::Active => true,
        Availability::Pause => kept > Kept::Nothing,
        Availability::Drain => false,
    };
    let workload = service.spec.template.workload.capability();
    available
        && node.status.state != NodeState::Down
        && (kept == Kept::Same || node.status.description.can(workload))
        && requirements_hold(&service.spec.template.placement.requirements, node)
}

/// What a task made from this template sets aside.
#[must_use]
pub fn reserved(template: &KeptTemplate) -> Resources {
    template.template.reservations
}

/// The status of a service of which `desired` tasks are wanted, by the tasks and nodes there are.
#[must_use]
pub fn service_status(
    state: &State,
    service: &Service,
    desired: u32,
    time: Timestamp,
) -> ServiceStatus {
    let tally = state.tally(service.meta.id);
    let status = ServiceStatus {
        desired_tasks: desired,
        running_tasks: tally.running,
        updated_tasks: tally.updated,
        pending_tasks: tally.pending,
        failed_tasks: tally.failed,
        conditions: Vec::new(),
    };
    let facts = [
        converged(service, tally, desired),
        stalled::stalled(state, service, tally, desired),
        available(tally),
        placed(tally),
    ];
    let conditions = facts
        .into_iter()
        .map(|fact| fact.condition(service, time))
        .collect();
    ServiceStatus {
        conditions,
        ..status
    }
}

struct Fact {
    kind: &'static str,
    holds: bool,
    reason: &'static str,
    message: String,
}

impl Fact {
    /// The condition, with the time kept if it held, or did not hold, before as well.
    fn condition(self, service: &Service, time: Timestamp) -> Condition {
        let before = service
            .status
            .conditions
            .iter()
            .find(|known| known.kind == self.kind);
        let transition_time = match before {
            Some(known) if known.holds == self.holds => known.transition_time,
            _ => time,
        };
        Condition {
            kind: Cow::Borrowed(self.kind),
            holds: self.holds,
            reason: Cow::Borrowed(self.reason),
            message: Cow::Owned(self.message),
            observed_spec_revision: service.meta.spec_revision,
            transition_time,
        }
    }
}

fn converged(service: &Service, tally: Tally, desired: u32) -> Fact {
    let done = tally.good + tally.finished;
    let going = service.rollout.as_ref().filter(|it| !it.state.is_over());
    let here = done == desired && tally.live == tally.good;
    let holds = !service.is_deleting() && here && going.is_none();
    let (reason, message) = if service.is_deleting() {
        ("DELETING", format!("{} tasks still to stop", tally.live))
    } else if holds {
        (
            "CONVERGED",
            format!("{done} of {desired} tasks run and are up to date"),
        )
    } else if let Some(rollout) = going.filter(|_| here) {
        let state = rollout.state.as_str();
        (
            "PROGRESSING",
            format!("{done} of {desired} tasks run and are up to date; the rollout is {state}"),
        )
    } else if done >= desired {
        (
            "STOPPING",
            format!(
                "{} tasks still to stop",
                tally.live.saturating_sub(tally.good)
            ),
        )
    } else {
        (
            "PROGRESSING",
            format!("{done} of {desired} tasks run and are up to date"),
        )
    };
    Fact {
        kind: CONVERGED,
        holds,
        reason,
        message,
    }
}

fn available(tally: Tally) -> Fact {
    let holds = tally.running > 0;
    let (reason, message) = if holds {
        ("TASKS_RUNNING", format!("{} tasks run", tally.running))
    } else {
        ("NO_TASK_RUNNING", "no task runs".to_owned())
    };
    Fact {
        kind: AVAILABLE,
        holds,
        reason,
        message,
    }
}

fn placed(tally: Tally) -> Fact {
    let holds = tally.pending == 0;
    let (reason, message) = if holds {
        ("", String::new())
    } else {
        (
            "TASKS_PENDING",
            format!("{} tasks wait for a node", tally.pending),
        )
    };
    Fact {
        kind: PLACED,
        holds,
        reason,
        message,
    }
}

/// What a task takes up on the node it occupies.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Load {
    /// Reserved.
    pub reserved: Resources,
    /// Tasks.
    pub active_tasks: u32,
}

impl Load {
    /// Of one task made from this template.
    #[must_use]
    pub fn of(_task: &Task, template: Option<&KeptTemplate>) -> Load {
        Load {
            reserved: template.map(reserved).unwrap_or_default(),
            active_tasks: 1,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Load) -> Load {
        Load {
            reserved: self.reserved.plus(other.reserved),
            active_tasks: self.active_tasks + other.active_tasks,
        }
    }

    /// Without `other`, which was counted in before.
    #[must_use]
    pub fn minus(self, other: Load) -> Load {
        Load {
            reserved: self.reserved.minus(other.reserved),
            active_tasks: self.active_tasks.saturating_sub(other.active_tasks),
        }
    }
}
