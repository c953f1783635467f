// SPDX-License-Identifier: Apache-2.0
//! Tasks whose node is down, gone, or no longer for them.
//!
//! A node that is down may still run its tasks, cut off from the managers; a replacement is
//! made all the same. When the node comes back, its agent stops what is no longer assigned to
//! it. Nodes whose state is unknown are given the time to report.

use crate::model::{
    Availability, DesiredState, Mode, NODE_LOST, NodeState, Task, TaskState, Timestamp,
};
use crate::schedule::filter::requirements_hold;
use crate::state::{Observation, Write};

use super::desk::Desk;
use super::place::{Attempt, Places};

/// What a task stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ground {
    /// It has no node yet.
    Nowhere,
    /// A node that it can stay on.
    Sound,
    /// A node that it must leave: it is drained, or no longer meets the task's placement.
    Leaving,
    /// A node that is down since then.
    Down(Timestamp),
    /// A node that was deleted.
    Gone,
}

impl Ground {
    pub(super) fn of(desk: &Desk<'_>, task: &Task) -> Ground {
        let Some(node) = task
            .node
            .as_ref()
            .filter(|_| task.status.state != TaskState::Pending)
        else {
            return Ground::Nowhere;
        };
        let Some(node) = desk.state.node(node.id) else {
            return Ground::Gone;
        };
        if node.status.state == NodeState::Down {
            return Ground::Down(node.status.transition_time);
        }
        // With one task a node, the nodes are chosen by the present spec instead.
        let chosen = matches!(desk.service.spec.mode, Mode::EveryNode);
        let fits = chosen
            || desk
                .template(task.template_revision)
                .is_none_or(|kept| requirements_hold(&kept.template.placement.requirements, node));
        if fits && node.spec.availability() != Availability::Drain {
            Ground::Sound
        } else {
            Ground::Leaving
        }
    }

    /// Whether what is there can no longer be asked to stop.
    pub(super) fn is_lost(self) -> bool {
        matches!(self, Ground::Down(_) | Ground::Gone)
    }
}

/// Notes what became of tasks that were given up with their node.
pub(super) fn give_up(desk: &mut Desk<'_>, places: &mut Places<'_>) {
    for place in places.all() {
        for attempt in &mut place.attempts {
            if attempt.has_ended() || attempt.desired <= DesiredState::Running {
                continue;
            }
            match attempt.ground {
                _ if attempt.desired == DesiredState::Removed => {}
                Ground::Gone => orphan(desk, attempt, "its node was deleted"),
                Ground::Down(since) => give_up_down(desk, attempt, since),
                Ground::Nowhere | Ground::Sound | Ground::Leaving => {}
            }
        }
    }
}

fn give_up_down(desk: &mut Desk<'_>, attempt: &mut Attempt<'_>, since: Timestamp) {
    let end = since.after(desk.swarm.orphan_after());
    if end <= desk.now {
        orphan(desk, attempt, "its node was down for too long");
        return;
    }
    desk.wake_at(end);
    if attempt.task.status.reason != NODE_LOST {
        desk.write([Write::ObserveTask {
            task: attempt.id(),
            observation: lost(attempt.task),
        }]);
    }
}

fn orphan(desk: &mut Desk<'_>, attempt: &mut Attempt<'_>, message: &'static str) {
    attempt.state = TaskState::Orphaned;
    desk.write([Write::ObserveTask {
        task: attempt.id(),
        observation: Observation::of(TaskState::Orphaned, desk.now).because(NODE_LOST, message),
    }]);
}

/// What is known of the task, with the cause why nothing newer will be.
fn lost(task: &Task) -> Observation {
    let status = &task.status;
    Observation {
        exit_code: status.exit_code,
        signal: status.signal,
        pid: status.pid,
        ports: status.ports.clone(),
        health: status.health,
        health_message: status.health_message.clone(),
        ..Observation::of(status.state, status.transition_time).because(
            NODE_LOST,
            "its node is down: whether it still runs there is not known",
        )
    }
}
