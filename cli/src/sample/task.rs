// SPDX-License-Identifier: Apache-2.0
//! Tasks of `web`.

use skep_sdk::v1::unplaced::Cause;
use skep_sdk::v1::{PlacementCheck, Ref, Task, TaskState, TaskStatus, TaskTransition, Unplaced};

use super::{ago, id, meta, port};

/// A task of `web` that runs.
pub(crate) fn task(number: u32, slot: u32) -> Task {
    Task {
        meta: Some(meta("tsk", number)),
        name: format!("web.{slot}"),
        service: Some(Ref {
            id: id("svc", 1),
            name: "web".into(),
        }),
        labels: [("team".into(), "shop".into())].into(),
        slot,
        attempt: 1,
        template_revision: 12,
        image: String::new(),
        node: Some(Ref {
            id: id("nod", 1),
            name: "node-1".into(),
        }),
        desired_state: TaskState::Running.into(),
        status: Some(TaskStatus {
            state: TaskState::Running.into(),
            transition_time: ago(9),
            pid: 4_711,
            ports: vec![port(80, 20_001)],
            ..TaskStatus::default()
        }),
        crash_loop: false,
        gave_up: false,
    }
}

/// A task of `web` in another state, for a cause.
pub(crate) fn task_in(number: u32, slot: u32, state: TaskState, message: &str) -> Task {
    let mut task = task(number, slot);
    if state > TaskState::Running {
        task.desired_state = TaskState::Stopped.into();
    }
    let status = task.status.get_or_insert_default();
    status.state = state.into();
    status.message = message.into();
    status.transition_time = ago(75);
    task
}

/// A task of `web` without a node.
pub(crate) fn pending_task(number: u32, slot: u32) -> Task {
    let cause = Cause {
        check: PlacementCheck::Memory.into(),
        nodes: 3,
        message: "needs 4096 MiB, most free is 2048 MiB".into(),
    };
    let unplaced = Unplaced {
        service: Some(Ref {
            id: id("svc", 1),
            name: "web".into(),
        }),
        tasks: 1,
        nodes: 3,
        causes: vec![cause],
    };
    let mut task = task_in(number, slot, TaskState::Pending, "");
    task.node = None;
    let status = task.status.get_or_insert_default();
    status.unplaced = Some(unplaced);
    status.ports.clear();
    status.pid = 0;
    task
}

/// An attempt at a place that failed after so many seconds, a while ago.
pub(crate) fn failed_attempt(number: u32, slot: u32, attempt: u32, ran: i64) -> Task {
    let words = "exited with code 3; last output: boom";
    let mut task = task_in(number, slot, TaskState::Failed, words);
    let status = task.status.get_or_insert_default();
    status.exit_code = Some(3);
    status.history = vec![TaskTransition {
        state: TaskState::Running.into(),
        time: ago(75 + ran),
    }];
    at(attempt, task)
}

/// The same as the attempt of that number, made in turn.
pub(crate) fn at(attempt: u32, mut task: Task) -> Task {
    task.attempt = attempt;
    task.meta.get_or_insert_default().create_revision = 12 + u64::from(attempt);
    task
}

/// The attempts of a crash loop, with ids from a number on; the last waits for its time.
pub(crate) fn looping(number: u32, slot: u32) -> Vec<Task> {
    let ended = (1..=3).map(|n| failed_attempt(number + n - 1, slot, n, 1));
    let mut next = at(4, task_in(number + 3, slot, TaskState::Ready, ""));
    next.set_desired_state(TaskState::Ready);
    next.crash_loop = true;
    next.status.get_or_insert_default().restart_time = ago(-8);
    ended.chain([next]).collect()
}

/// A third attempt that failed, with none to follow.
pub(crate) fn last_attempt(number: u32, slot: u32) -> Task {
    let mut task = failed_attempt(number, slot, 3, 1);
    task.set_desired_state(TaskState::Running);
    task.gave_up = true;
    task
}
