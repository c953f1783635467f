// SPDX-License-Identifier: Apache-2.0
//! What must hold before a task is stopped: nobody sends it connections any more.

use skep_core::control::CONFIRM_TIME_MAX;
use skep_core::model::{BackendState, NodeState, Task};
use skep_core::node_agent::{Order, StopCause};
use skep_core::state::{Change, State, Write};

use super::machine::Machine;
use super::process::Job;

/// What is wrong with the tasks that a change released: that a node which is there still sends
/// them connections, whatever it said, or that it was not waited for long enough.
pub(crate) fn released(change: &Change, state: &State, machines: &[Machine]) -> Vec<String> {
    let mut wrong = Vec::new();
    for write in &change.writes {
        let Write::ReleaseTask { task, unconfirmed } = write else {
            continue;
        };
        let Some(task) = state
            .task(*task)
            .filter(|task| is_released_by(task, change))
        else {
            continue;
        };
        let id = task.meta.id;
        if *unconfirmed {
            let told = task.drain.map(|drain| drain.told).unwrap_or_default();
            if change.time < told.after(CONFIRM_TIME_MAX) {
                wrong.push(format!(
                    "nodes were not waited for before {id} was released"
                ));
            }
            continue;
        }
        let senders = machines
            .iter()
            .filter(|machine| sends_to(machine, task, state));
        let senders =
            senders.map(|machine| format!("{} still sends connections to {id}", machine.node));
        wrong.extend(senders);
    }
    wrong
}

/// Whether it was this change that released it, and not one before.
fn is_released_by(task: &Task, change: &Change) -> bool {
    let released = task.drain.and_then(|drain| drain.released);
    released.is_some_and(|released| released.time == change.time) && !task.is_terminal()
}

/// Whether the proxy of a machine gives a task new connections. That of a node that is down, or
/// no longer one of the swarm, may.
fn sends_to(machine: &Machine, task: &Task, state: &State) -> bool {
    let node = state.node(machine.node);
    let counts = node.is_some_and(|node| node.status.state != NodeState::Down);
    let held = machine.agent.as_ref().map(|agent| &agent.held);
    let endpoints = held.and_then(|held| held.endpoints.get(&task.service));
    let mut backends = endpoints.into_iter().flat_map(|it| &it.backends);
    let backend = backends.find(|backend| backend.task == task.meta.id);
    counts && backend.is_some_and(|backend| backend.state != BackendState::Draining)
}

/// What is wrong with an order that an agent gave: that it stops a task which nodes may still send
/// connections to. One that is not well is stopped all the same.
pub(crate) fn ordered(job: &Job, machine: &Machine, newest: &State) -> Option<String> {
    let Order::Stop { .. } = job.order else {
        return None;
    };
    let agent = machine.agent.as_ref()?;
    let stopping = agent.worker.records().get(&job.task)?.stopping;
    if stopping.is_some_and(|stopping| stopping.cause == StopCause::Unhealthy) {
        return None;
    }
    let task = newest.task(job.task)?;
    let wrong = || format!("{} is stopped before it was released", task.meta.id);
    task.is_leaving().then(wrong)
}
