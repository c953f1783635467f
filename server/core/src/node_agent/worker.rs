// SPDX-License-Identifier: Apache-2.0
//! All tasks of one node.

use std::collections::{BTreeMap, BTreeSet};

use crate::assign::Held;
use crate::model::{Revision, TaskId, Timestamp};
use crate::state::Observation;

use super::{Observed, Order, OrderFailure, OrderKind, Orders, TaskRecord, Turn, View, step};

/// What to do about the tasks of a node, in this order: remember, report, give orders.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Plan {
    /// What to remember of tasks; nothing: forget them. To be on disk before the rest is done.
    pub records: BTreeMap<TaskId, Option<TaskRecord>>,
    /// What to tell the managers.
    pub reports: Vec<(TaskId, Observation)>,
    /// Orders for the executor; those for one task one after the other.
    pub orders: Vec<(TaskId, Order)>,
    /// When to look again, though nothing happens.
    pub wake_at: Option<Timestamp>,
}

/// What a node remembers of its tasks, and which orders are being carried out.
#[derive(Clone, Default, Debug)]
pub struct Worker {
    records: BTreeMap<TaskId, TaskRecord>,
    orders: BTreeMap<TaskId, Orders>,
}

impl Worker {
    /// A worker that remembers this, after a start of the agent.
    pub fn remembering(records: impl IntoIterator<Item = TaskRecord>) -> Worker {
        Worker {
            records: records
                .into_iter()
                .map(|record| (record.task, record))
                .collect(),
            orders: BTreeMap::new(),
        }
    }

    /// What is remembered, by task.
    #[must_use]
    pub fn records(&self) -> &BTreeMap<TaskId, TaskRecord> {
        &self.records
    }

    /// Notes that an order was carried out, or why not.
    pub fn done(
        &mut self,
        task: TaskId,
        kind: OrderKind,
        result: Result<(), OrderFailure>,
        now: Timestamp,
    ) {
        if let Some(orders) = self.orders.get_mut(&task) {
            orders.done(kind, result, now);
        }
    }

    /// What to do now. `observed` is all that the executor has, looked at after the orders that
    /// are done had ended; the orders of the plan count as given.
    ///
    /// A node that was never told what is for it leaves alone what it finds: it may be that
    /// only its memory is lost. Nor does it touch tasks of workloads that are `unseen`, as
    /// capabilities name them: what is not observed of them may well be there.
    pub fn step(
        &mut self,
        held: &Held,
        observed: &BTreeMap<TaskId, Observed>,
        unseen: &[&str],
        now: Timestamp,
    ) -> Plan {
        let mut tasks: BTreeSet<TaskId> = held.tasks.keys().copied().collect();
        if held.revision > Revision(0) {
            tasks.extend(self.records.keys());
            tasks.extend(observed.keys());
        }
        let unseen = if cfg!(skep_bug = "unseen_is_gone") {
            &[]
        } else {
            unseen
        };
        tasks.retain(|task| observed.contains_key(task) || !is_unseen(held, *task, unseen));
        let mut plan = Plan::default();
        for task in tasks {
            let turn = self.turn(task, held, observed.get(&task), now);
            self.take(task, held.tasks.contains_key(&task), turn, now, &mut plan);
        }
        self.orders
            .retain(|task, orders| self.records.contains_key(task) || !orders.is_idle());
        plan
    }

    fn turn(&self, task: TaskId, held: &Held, observed: Option<&Observed>, now: Timestamp) -> Turn {
        let assigned = held.tasks.get(&task);
        let template = assigned.and_then(|assigned| held.template_of(assigned));
        let none = Orders::default();
        step(View {
            task,
            assigned,
            template: template.map(|template| template.template.as_ref()),
            record: self.records.get(&task),
            observed,
            orders: self.orders.get(&task).unwrap_or(&none),
            now,
        })
    }

    fn take(&mut self, task: TaskId, assigned: bool, turn: Turn, now: Timestamp, plan: &mut Plan) {
        let known = self.records.get(&task);
        if known != turn.record.as_ref() {
            if let Some(record) = &turn.record {
                let news = known.map(|known| &known.reported) != Some(&record.reported);
                if news && assigned {
                    plan.reports.push((task, record.reported.clone()));
                }
            }
            plan.records.insert(task, turn.record.clone());
            match turn.record {
                Some(record) => self.records.insert(task, record),
                None => self.records.remove(&task),
            };
        }
        for order in turn.orders {
            let orders = self.orders.entry(task).or_default();
            orders.given(order.kind(), now);
            plan.orders.push((task, order));
        }
        let earlier = |at: &Timestamp| plan.wake_at.is_none_or(|known| *at < known);
        if let Some(at) = turn.wake_at.filter(earlier) {
            plan.wake_at = Some(at);
        }
    }
}

/// Whether what a task runs cannot be seen for now. Of one that is no longer for this node it is
/// not known what it runs.
fn is_unseen(held: &Held, task: TaskId, unseen: &[&str]) -> bool {
    let assigned = held.tasks.get(&task);
    let template = assigned.and_then(|assigned| held.template_of(assigned));
    match template {
        Some(template) => unseen.contains(&template.template.workload.capability()),
        None => !unseen.is_empty(),
    }
}
