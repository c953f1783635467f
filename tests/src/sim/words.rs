// SPDX-License-Identifier: Apache-2.0
//! Short words for the trace.

use skep_core::model::{NodeId, Service, ServiceId, TaskId};
use skep_core::state::{Change, State, Write};

fn short(kind: &str, id: u128) -> String {
    format!("{kind}-{:04x}", id >> 112)
}

/// A node.
pub(crate) fn node(id: NodeId) -> String {
    short("node", id.0)
}

/// A task.
pub(crate) fn task(id: TaskId) -> String {
    short("task", id.0)
}

fn service(id: ServiceId) -> String {
    short("service", id.0)
}

/// A service and its tasks.
pub(crate) fn service_at_length(state: &State, it: &Service) -> String {
    let facts = it.status.conditions.iter();
    let facts: Vec<_> = facts
        .map(|fact| format!("{} {} {}", fact.kind, fact.holds, fact.message))
        .collect();
    let tasks = state.service_tasks(it.meta.id);
    let tasks: Vec<_> = tasks
        .map(|it| {
            let status = &it.status;
            format!(
                "{} {}#{} of {} on {:?} {:?} wanted {:?} {:?} {} {:?}",
                task(it.meta.id),
                it.name,
                it.attempt,
                it.template_revision,
                it.node.as_ref().map(|at| node(at.id)),
                status.state,
                it.desired,
                it.outcome,
                status.reason,
                status.unplaced.as_ref().map(|why| &why.causes),
            )
        })
        .collect();
    let (name, template) = (&it.spec.name, it.template_revision);
    format!(
        "{name} of {template}: {:?} {:?} {:?}; {}; {}",
        it.rollout,
        it.spec.update,
        it.spec.rollback,
        facts.join(", "),
        tasks.join("\n  ")
    )
}

/// A change.
pub(crate) fn change(change: &Change) -> String {
    let words: Vec<String> = change.writes.iter().map(write).collect();
    match &change.request {
        Some(request) => format!("{} of {}", words.join(", "), request.id),
        None => words.join(", "),
    }
}

fn write(write: &Write) -> String {
    match write {
        Write::PutSwarm { .. } => "swarm".to_owned(),
        Write::CreateNode { id, spec, .. } => format!("create {} {}", node(*id), spec.name),
        Write::PutNodeSpec { node: id, spec } => {
            format!("spec of {}: {:?}", node(*id), spec.availability())
        }
        Write::SetNodeState {
            node: id, state, ..
        } => format!("{} {state:?}", node(*id)),
        Write::DescribeNode { node: id, .. } => format!("describe {}", node(*id)),
        Write::DeleteNode { node: id } => format!("delete {}", node(*id)),
        Write::CreateService { id, spec, .. } => format!("create {} {}", service(*id), spec.name),
        Write::PutServiceSpec {
            service: id,
            new_template,
            ..
        } => format!("spec of {}, new template {new_template}", service(*id)),
        Write::ReuseTemplate {
            service: id,
            revision,
            back,
            ..
        } => format!("{} to template {revision}, back {back:?}", service(*id)),
        Write::SetRollout {
            service: id,
            rollout,
        } => format!("{} {:?} {:?}", service(*id), rollout.state, rollout.counts),
        Write::JudgeStep {
            task: id, verdict, ..
        } => format!("{} {verdict:?}", task(*id)),
        Write::MarkGood {
            service: id,
            revision,
        } => format!("{revision} of {} is good", service(*id)),
        Write::MarkServiceDeleting { service: id } => format!("{} goes", service(*id)),
        Write::DeleteService { service: id } => format!("delete {}", service(*id)),
        Write::DropTemplate {
            service: id,
            revision,
        } => format!("drop template {revision} of {}", service(*id)),
        Write::CreateTask(new) => format!(
            "create {} in {} of {} wanted {:?}",
            task(new.id),
            new.slot,
            service(new.service),
            new.desired
        ),
        Write::AssignTask { task: id, node: to } => format!("{} to {}", task(*id), node(*to)),
        Write::SetUnplaced { task: id, .. } => format!("{} unplaced", task(*id)),
        Write::SetDesired { task: id, desired } => format!("{} wanted {desired:?}", task(*id)),
        Write::ObserveTask {
            task: id,
            observation,
        } => format!(
            "{} {:?} {}",
            task(*id),
            observation.state,
            observation.reason
        ),
        Write::ReleaseTask {
            task: id,
            unconfirmed,
        } => format!(
            "{} {}",
            task(*id),
            if *unconfirmed {
                "given up on"
            } else {
                "released"
            }
        ),
        Write::SettleTask { task: id, outcome } => format!("{} {outcome:?}", task(*id)),
        Write::MarkStable { task: id } => format!("{} is stable", task(*id)),
        Write::DeleteTask { task: id } => format!("forget {}", task(*id)),
    }
}
