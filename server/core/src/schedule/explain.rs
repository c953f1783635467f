// SPDX-License-Identifier: Apache-2.0
//! Why tasks have no node, in words and numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{
    NodeKey, Operator, Placement, PlacementCheck, Requirement, Resources, ServiceId, Task,
    TaskTemplate, Unplaced, UnplacedCause,
};

use super::demand::Objection;

/// Of the tasks of a group that find no node, this many always carry the present numbers. The
/// others are written again only when other checks fail than before: a busy swarm in which
/// thousands wait would else write its log full of numbers.
pub const REFRESHED_MAX: usize = 100;

/// What is said against the nodes, counted.
#[derive(Clone, Default, Debug)]
pub(super) struct Reasons {
    nodes: u32,
    counts: BTreeMap<Objection, u32>,
    cpu_free_max: u32,
    memory_free_max: u64,
}

impl Reasons {
    /// Counts in one node.
    pub(super) fn add(&mut self, objection: Objection, free: Resources) {
        self.nodes += 1;
        *self.counts.entry(objection).or_default() += 1;
        match objection {
            Objection::Cpu => self.cpu_free_max = self.cpu_free_max.max(free.cpu_millis),
            Objection::Memory => {
                self.memory_free_max = self.memory_free_max.max(free.memory_bytes);
            }
            _ => {}
        }
    }

    /// The whole explanation for `tasks` tasks made from this template.
    pub(super) fn unplaced(
        &self,
        service: ServiceId,
        tasks: usize,
        template: &TaskTemplate,
    ) -> Unplaced {
        let mut by_check: BTreeMap<PlacementCheck, Vec<(u32, String)>> = BTreeMap::new();
        for (objection, count) in &self.counts {
            let detail = (*count, self.detail(*objection, template));
            by_check.entry(objection.check()).or_default().push(detail);
        }
        let mut causes: Vec<_> = by_check
            .into_iter()
            .map(|(check, details)| UnplacedCause {
                check,
                nodes: details.iter().map(|(count, _)| count).sum(),
                message: sentence(details).into(),
            })
            .collect();
        causes.sort_by_key(|cause| (std::cmp::Reverse(cause.nodes), cause.check));
        Unplaced {
            service,
            tasks: u32::try_from(tasks).unwrap_or(u32::MAX),
            nodes: self.nodes,
            causes,
        }
    }

    fn detail(&self, objection: Objection, template: &TaskTemplate) -> String {
        let needed = template.reservations;
        match objection {
            Objection::Down => "down".to_owned(),
            Objection::NotHeard => "not heard from since the leader changed".to_owned(),
            Objection::Paused => "paused".to_owned(),
            Objection::Draining => "draining".to_owned(),
            Objection::Lacks(capability) => lacking(capability),
            Objection::Requirement(place) => requirement(&template.placement, place),
            Objection::MaxReplicas => format!(
                "has {}, the most that max_replicas_per_node allows",
                template.placement.max_replicas_per_node
            ),
            Objection::Cpu => format!(
                "needs {} CPU, most free is {}",
                cpus(needed.cpu_millis),
                cpus(self.cpu_free_max)
            ),
            Objection::Memory => format!(
                "needs {} MiB, most free is {} MiB",
                needed.memory_bytes.div_ceil(1 << 20),
                self.memory_free_max >> 20
            ),
            Objection::Port(port, protocol) => {
                format!("host port {port}/{} is taken", protocol.as_str())
            }
        }
    }
}

/// One detail alone, or all of them with their counts, the one with most nodes first.
fn sentence(mut details: Vec<(u32, String)>) -> String {
    if let [(_, only)] = details.as_slice() {
        return only.clone();
    }
    details.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let parts: Vec<_> = details
        .iter()
        .map(|(count, text)| format!("{text} ({count})"))
        .collect();
    parts.join("; ")
}

pub(super) fn lacking(capability: &str) -> String {
    let whose = capability.trim_start_matches("container.");
    match whose.split_once('.') {
        Some(("limits", limit)) => {
            format!("cannot enforce a {limit} limit: \"{capability}\" is missing")
        }
        Some(("workload", "container")) => format!(
            "no Docker engine runs containers there (see \"skep node inspect\"): \"{capability}\" is missing"
        ),
        Some(("workload", kind)) => {
            format!("does not run a {kind} workload: \"{capability}\" is missing")
        }
        _ => format!("\"{capability}\" is missing"),
    }
}

fn requirement(placement: &Placement, place: usize) -> String {
    let Some(requirement) = placement.requirements.get(place) else {
        return "a requirement is not met".to_owned();
    };
    let Requirement { key, values, .. } = requirement;
    let key: &NodeKey = key;
    let values = values.join(" or ");
    match requirement.operator() {
        Operator::In => format!("needs {key} to be {values}"),
        Operator::NotIn => format!("needs {key} not to be {values}"),
        Operator::Exists => format!("needs {key}"),
        Operator::NotExists => format!("needs {key} to be absent"),
        Operator::Prefix => format!("needs {key} to begin with {values}"),
    }
}

/// 1500 thousandths as "1.5".
fn cpus(millis: u32) -> String {
    let text = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Whether a task should get a new explanation. `place` is its place among those of its group
/// that have no node.
pub(super) fn is_news(task: &Task, place: usize, unplaced: &Arc<Unplaced>) -> bool {
    let Some(known) = &task.status.unplaced else {
        return true;
    };
    if place < REFRESHED_MAX {
        return known != unplaced;
    }
    checks(known) != checks(unplaced)
}

fn checks(unplaced: &Unplaced) -> Vec<PlacementCheck> {
    let mut checks: Vec<_> = unplaced.causes.iter().map(|cause| cause.check).collect();
    checks.sort_unstable();
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_of_a_cpu_read_as_decimals() {
        for (millis, want) in [(0, "0"), (250, "0.25"), (1_000, "1"), (10_500, "10.5")] {
            assert_eq!(cpus(millis), want);
        }
    }

    #[test]
    fn requirements_read_as_wishes() {
        let placement = |operator, values: &[&str]| Placement {
            requirements: vec![Requirement {
                key: NodeKey::Label("disk".to_owned()),
                operator: Some(operator),
                values: values.iter().map(|value| (*value).to_owned()).collect(),
            }],
            ..Placement::default()
        };
        for (operator, values, want) in [
            (
                Operator::In,
                &["ssd", "nvme"][..],
                "needs node.labels.disk to be ssd or nvme",
            ),
            (
                Operator::NotIn,
                &["tape"],
                "needs node.labels.disk not to be tape",
            ),
            (Operator::Exists, &[], "needs node.labels.disk"),
            (
                Operator::NotExists,
                &[],
                "needs node.labels.disk to be absent",
            ),
            (
                Operator::Prefix,
                &["nv"],
                "needs node.labels.disk to begin with nv",
            ),
        ] {
            assert_eq!(requirement(&placement(operator, values), 0), want);
        }
    }
}
