// SPDX-License-Identifier: Apache-2.0
//! Docker's words for states.

use skep_sdk::v1::node_spec::Availability;
use skep_sdk::v1::node_status;
use skep_sdk::v1::{
    NodeRole, PlacementCheck, TaskState, TaskStatus, Unplaced, manager_status, service_spec,
};

/// The present state of a task, as a word: `Running`, `Complete`, `Shutdown`.
pub(crate) fn task_state(state: TaskState) -> &'static str {
    match state {
        TaskState::Unspecified => "Unknown",
        TaskState::Pending => "Pending",
        TaskState::Assigned => "Assigned",
        TaskState::Accepted => "Accepted",
        TaskState::Preparing => "Preparing",
        TaskState::Ready => "Ready",
        TaskState::Starting => "Starting",
        TaskState::Running => "Running",
        TaskState::Completed => "Complete",
        TaskState::Stopped => "Shutdown",
        TaskState::Failed => "Failed",
        TaskState::Rejected => "Rejected",
        TaskState::Orphaned => "Orphaned",
        TaskState::Removed => "Remove",
    }
}

/// What is to be said of where a task is: its state, or of one that still runs how far its stop is.
pub(crate) fn task_now(status: &TaskStatus) -> &'static str {
    match (status.state(), status.reason.as_str()) {
        (TaskState::Running, "DRAINING") => "Draining",
        (TaskState::Running, "STOPPING") => "Stopping",
        (state, _) => task_state(state),
    }
}

/// The state of a word, in a filter: Docker's words, and those of the API.
pub(crate) fn parse_task_state(word: &str) -> Option<TaskState> {
    let word = word.to_ascii_lowercase();
    let all = [
        TaskState::Pending,
        TaskState::Assigned,
        TaskState::Accepted,
        TaskState::Preparing,
        TaskState::Ready,
        TaskState::Starting,
        TaskState::Running,
        TaskState::Completed,
        TaskState::Stopped,
        TaskState::Failed,
        TaskState::Rejected,
        TaskState::Orphaned,
        TaskState::Removed,
    ];
    all.into_iter().find(|state| {
        let own = state
            .as_str_name()
            .trim_start_matches("TASK_STATE_")
            .to_ascii_lowercase();
        word == own || word == task_state(*state).to_ascii_lowercase()
    })
}

/// Whether a node can be reached.
pub(crate) fn node_state(state: node_status::State) -> &'static str {
    match state {
        node_status::State::Ready => "Ready",
        node_status::State::Down => "Down",
        node_status::State::Unknown | node_status::State::Unspecified => "Unknown",
    }
}

/// Whether a node takes tasks.
pub(crate) fn availability(availability: Availability) -> &'static str {
    match availability {
        Availability::Active | Availability::Unspecified => "Active",
        Availability::Pause => "Pause",
        Availability::Drain => "Drain",
    }
}

/// The part a manager plays: `Leader`, `Reachable`, `Unreachable`; empty for a worker.
pub(crate) fn manager_status(manager: Option<&skep_sdk::v1::ManagerStatus>) -> &'static str {
    match manager {
        None => "",
        Some(manager) if manager.state() == manager_status::State::Leader => "Leader",
        Some(manager) if manager.reachable => "Reachable",
        Some(_) => "Unreachable",
    }
}

/// `worker`, `manager`.
pub(crate) fn role(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Manager => "manager",
        NodeRole::Worker | NodeRole::Unspecified => "worker",
    }
}

/// How a service counts its tasks: `replicated`, `global`.
pub(crate) fn mode(mode: Option<&service_spec::Mode>) -> &'static str {
    match mode {
        Some(service_spec::Mode::EveryNode(_)) => "global",
        Some(service_spec::Mode::Replicated(_)) | None => "replicated",
    }
}

/// Why tasks have no node, in one line: `no suitable node (2 nodes: needs 4 GiB of memory, …)`.
pub(crate) fn unplaced(unplaced: &Unplaced) -> String {
    if unplaced.nodes == 0 {
        return "no suitable node (there are no nodes)".to_owned();
    }
    let causes: Vec<String> = unplaced
        .causes
        .iter()
        .map(|cause| {
            let why = if cause.message.is_empty() {
                check(cause.check())
            } else {
                cause.message.as_str()
            };
            format!("{} on {}", why, count(cause.nodes, "node"))
        })
        .collect();
    if causes.is_empty() {
        return "no suitable node".to_owned();
    }
    format!("no suitable node ({})", causes.join("; "))
}

/// A check that failed, where the managers gave no words.
fn check(check: PlacementCheck) -> &'static str {
    match check {
        PlacementCheck::Unspecified => "not suitable",
        PlacementCheck::Ready => "not ready",
        PlacementCheck::Availability => "not available for new tasks",
        PlacementCheck::Platform => "cannot run this kind of task",
        PlacementCheck::Requirement => "scheduling constraints not satisfied",
        PlacementCheck::MaxReplicas => "max replicas per node reached",
        PlacementCheck::Cpu => "too little CPU left",
        PlacementCheck::Memory => "too little memory left",
        PlacementCheck::Port => "host-mode port already in use",
    }
}

/// `1 node`, `2 nodes`.
pub(crate) fn count(number: u32, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_sdk::v1::unplaced::Cause;

    #[test]
    fn filters_take_dockers_words_and_ours() {
        for (word, state) in [
            ("running", TaskState::Running),
            ("Shutdown", TaskState::Stopped),
            ("stopped", TaskState::Stopped),
            ("complete", TaskState::Completed),
            ("completed", TaskState::Completed),
            ("remove", TaskState::Removed),
        ] {
            assert_eq!(parse_task_state(word), Some(state), "{word}");
        }
        assert_eq!(parse_task_state("unknown"), None);
    }

    #[test]
    fn unplaced_tasks_say_why_in_one_line() {
        let cause = |check: PlacementCheck, nodes, message: &str| Cause {
            check: check.into(),
            nodes,
            message: message.into(),
        };
        let full = Unplaced {
            nodes: 3,
            causes: vec![
                cause(
                    PlacementCheck::Memory,
                    2,
                    "needs 4096 MiB, most free is 2048 MiB",
                ),
                cause(PlacementCheck::Availability, 1, ""),
            ],
            ..Unplaced::default()
        };
        assert_eq!(
            unplaced(&full),
            "no suitable node (needs 4096 MiB, most free is 2048 MiB on 2 nodes; \
             not available for new tasks on 1 node)"
        );
        let none = "no suitable node (there are no nodes)";
        assert_eq!(unplaced(&Unplaced::default()), none);
        assert_eq!(
            unplaced(&Unplaced {
                nodes: 1,
                ..Unplaced::default()
            }),
            "no suitable node"
        );
    }
}
