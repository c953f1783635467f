// SPDX-License-Identifier: Apache-2.0
//! Reports of agents.

use super::*;

#[test]
fn only_news_of_its_own_tasks_is_taken_from_a_node() {
    let mut desk = Desk::new();
    let service = desk.create(replicated("web", 4)).expect("it is free");
    let here = desk.task_on(&service, 1, NodeId(2));
    let there = desk.task_on(&service, 2, NodeId(3));
    let waiting = desk.task(&service, 3);
    let ended = desk.task_on(&service, 4, NodeId(2));
    desk.world.observe(here, TaskState::Starting);
    desk.world.observe(ended, TaskState::Failed);
    let now = desk.world.now;
    for (task, state, taken) in [
        (here, TaskState::Running, true),
        (here, TaskState::Failed, true),
        (here, TaskState::Starting, false),
        (here, TaskState::Preparing, false),
        (here, TaskState::Orphaned, false),
        (there, TaskState::Running, false),
        (waiting, TaskState::Running, false),
        (ended, TaskState::Failed, false),
        (TaskId(5), TaskState::Running, false),
    ] {
        let report = [(task, Observation::of(state, now))];
        let writes = merge_status(&desk.world.state, NodeId(2), report);
        assert_eq!(!writes.is_empty(), taken, "{task} {state:?}");
    }
}

#[test]
fn a_report_is_a_sequence() {
    let mut desk = Desk::new();
    let service = desk.create(replicated("web", 1)).expect("it is free");
    let task = desk.task_on(&service, 1, NodeId(2));
    let states = [
        TaskState::Accepted,
        TaskState::Running,
        TaskState::Starting,
        TaskState::Completed,
        TaskState::Failed,
    ];
    let report = states.map(|state| (task, Observation::of(state, desk.world.now)));
    let writes = merge_status(&desk.world.state, NodeId(2), report);
    assert_eq!(writes.len(), 3);
    desk.world.apply(writes);
    let task = desk.world.state.task(task).expect("it is there");
    assert_eq!(task.status.state, TaskState::Completed);
    let through: Vec<_> = task.status.history.iter().map(|step| step.state).collect();
    let (pending, assigned) = (TaskState::Pending, TaskState::Assigned);
    assert_eq!(through, [pending, assigned, states[0], states[1]]);
}

#[test]
fn a_message_is_cut_to_its_limit() {
    let mut desk = Desk::new();
    let service = desk.create(replicated("web", 1)).expect("it is free");
    let task = desk.task_on(&service, 1, NodeId(2));
    let message = "ä".repeat(TaskStatus::MESSAGE_CHARS_MAX + 1);
    let seen = Observation::of(TaskState::Failed, desk.world.now).because("EXITED", message);
    let writes = merge_status(&desk.world.state, NodeId(2), [(task, seen)]);
    let [Write::ObserveTask { observation, .. }] = writes.as_slice() else {
        panic!("one write, not {writes:?}");
    };
    let length = observation.message.chars().count();
    assert_eq!(length, TaskStatus::MESSAGE_CHARS_MAX);
}
