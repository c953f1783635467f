// SPDX-License-Identifier: Apache-2.0
//! Rollouts, told as stories: what happens, and what is done about it.

mod back;
mod failing;
mod going;
mod nodes;
mod people;

use std::sync::Arc;
use std::time::Duration;

use crate::model::*;
use crate::testing::replicated;

use crate::admit::RolloutAction;

use super::Case;

/// A service of which all replicas run the first version, which is good.
fn running(nodes: u8, replicas: u32) -> Case {
    Case::running(nodes, replicated("web", replicas))
}

/// Brings the newest task of a slot, and the one before it, one look further: what should stop
/// stops, what has leave runs.
fn slot(case: &mut Case, name: &str, state: TaskState) {
    let node = case.task(name).node.as_ref().map(|node| node.id);
    if node.is_none() {
        let task = case.task(name).meta.id;
        let node = NodeId(1);
        case.world
            .apply([crate::state::Write::AssignTask { task, node }]);
    }
    case.observe(name, state);
}

fn stopped(case: &mut Case, name: &str, attempt: u32) {
    let task = case.task_of(name, attempt).meta.id;
    case.world.observe(task, TaskState::Stopped);
}

/// Changes one slot from beginning to end, as if in no time.
fn through(case: &mut Case, name: &str) -> String {
    let new = case.task(name).attempt;
    slot(case, name, TaskState::Ready);
    let mut told = case.tell(&format!("{name}#{new} is ready"));
    let before = (1..new).rev().map(|attempt| case.task_of(name, attempt));
    let old = before
        .map(|old| old.attempt)
        .find(|it| !case.task_of(name, *it).is_terminal());
    stopped(case, name, old.expect("the old one runs"));
    told += &case.tell("the old one has stopped");
    slot(case, name, TaskState::Running);
    told + &case.tell(&format!("{name}#{new} runs"))
}

fn seconds(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count))
}

fn reserve(case: &mut Case, bytes: u64, token: &str) {
    case.update(|spec| {
        let template = Arc::make_mut(&mut spec.template);
        template.reservations.memory_bytes = bytes;
        template.restart_token = token.to_owned();
    });
}
