// SPDX-License-Identifier: Apache-2.0
//! Applying a change: check it, write it, derive what follows, and say what happened.

mod follow;
mod nodes;
mod rollouts;
mod services;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    Node, NodeId, ObjectId, Revision, Service, ServiceId, Swarm, Task, TaskId, Timestamp,
};
use crate::state::{Change, Refusal, Request, RequestRecord, State, Step, Write};

/// How long an answered request is remembered.
pub const REQUEST_MEMORY: Duration = Duration::from_secs(3_600);

/// How many answered requests are remembered; of more, the oldest go first.
pub const REQUESTS_MAX: usize = 200_000;

/// What became of a change.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Why nothing was written; nothing: all was.
    pub refusal: Option<Refusal>,
    /// What it did; without events if it was refused.
    pub step: Step,
}

impl State {
    /// Applies the change that the log has at `revision`, which is later than any before.
    ///
    /// All of the change is written or nothing is. The result depends on the state and the
    /// arguments alone, so every manager comes to the same one.
    pub fn apply(&mut self, revision: Revision, change: &Change) -> Applied {
        self.revision = revision;
        self.time = self.time.max(change.time);
        let time = self.time;
        if let Err(refusal) = self.check(change) {
            let step = Step {
                revision,
                time,
                events: Arc::new([]),
            };
            return Applied {
                refusal: Some(refusal),
                step,
            };
        }
        let mut writing = Writing::new(self, revision, time, &change.caller);
        for write in &change.writes {
            writing.write(write);
        }
        let events = writing.finish();
        if let Some(request) = &change.request
            && !cfg!(skep_kill_bug = "repeat_changes")
        {
            self.remember(request.clone(), revision, time);
        }
        Applied {
            refusal: None,
            step: Step {
                revision,
                time,
                events,
            },
        }
    }

    /// Notes a log entry that changes nothing, such as a new leader's first.
    pub fn skip(&mut self, revision: Revision) {
        self.revision = revision;
    }

    fn remember(&mut self, request: Request, revision: Revision, time: Timestamp) {
        self.insert_request(Arc::new(RequestRecord {
            request,
            revision,
            time,
        }));
        while let Some((oldest, id)) = self.index.request_order.get_min().cloned() {
            let expired = self
                .requests
                .get(&id)
                .is_none_or(|record| time.since(record.time) > REQUEST_MEMORY);
            if !expired && self.requests.len() <= REQUESTS_MAX {
                break;
            }
            self.index.request_order.remove(&oldest);
            self.requests.remove(&id);
        }
    }
}

/// An object as it was before the change; nothing: it did not exist.
#[derive(Debug)]
enum Before {
    Swarm(Option<Arc<Swarm>>),
    Node(NodeId, Option<Arc<Node>>),
    Service(ServiceId, Option<Arc<Service>>),
    Task(TaskId, Option<Arc<Task>>),
}

/// A change while it is being written.
struct Writing<'a> {
    state: &'a mut State,
    revision: Revision,
    time: Timestamp,
    caller: &'a Arc<str>,
    /// Objects written so far, in order of their first write.
    order: Vec<Before>,
    seen: BTreeSet<ObjectId>,
    /// Services and nodes whose derived part may have changed; of a service, whether the
    /// number of tasks wanted may have too.
    services: BTreeMap<ServiceId, bool>,
    nodes: BTreeSet<NodeId>,
}

impl<'a> Writing<'a> {
    fn new(
        state: &'a mut State,
        revision: Revision,
        time: Timestamp,
        caller: &'a Arc<str>,
    ) -> Self {
        Writing {
            state,
            revision,
            time,
            caller,
            order: Vec::new(),
            seen: BTreeSet::new(),
            services: BTreeMap::new(),
            nodes: BTreeSet::new(),
        }
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::PutSwarm { id, spec } => self.put_swarm(*id, spec),
            Write::CreateNode {
                id,
                spec,
                role,
                description,
            } => {
                self.create_node(*id, spec, *role, description);
            }
            Write::PutNodeSpec { node, spec } => self.edit_node(*node, |node, revision| {
                node.meta.spec_revision = revision;
                node.spec = spec.clone();
            }),
            Write::SetNodeState {
                node,
                state,
                message,
            } => {
                self.set_node_state(*node, *state, message);
            }
            Write::DescribeNode { node, description } => self.edit_node(*node, |node, _| {
                node.status.description = description.clone();
            }),
            Write::DeleteNode { node } => self.delete_node(*node),
            Write::CreateService { id, spec, ports } => self.create_service(*id, spec, ports),
            Write::PutServiceSpec {
                service,
                spec,
                ports,
                new_template,
            } => {
                self.put_service_spec(*service, spec, ports, *new_template);
            }
            Write::ReuseTemplate {
                service,
                spec,
                ports,
                revision,
                back,
            } => {
                self.reuse_template(*service, spec, ports, *revision, back.as_ref());
            }
            Write::SetRollout { service, rollout } => self.set_rollout(*service, rollout),
            Write::JudgeStep { task, verdict, leg } => self.judge_step(*task, *verdict, *leg),
            Write::MarkGood { service, revision } => self.mark_good(*service, *revision),
            Write::MarkServiceDeleting { service } => self.mark_deleting(*service),
            Write::DeleteService { service } => self.delete_service(*service),
            Write::DropTemplate { service, revision } => self.drop_template(*service, *revision),
            Write::CreateTask(new) => self.create_task(new),
            Write::AssignTask { task, node } => self.assign(*task, *node),
            Write::SetUnplaced { task, unplaced } => self.set_unplaced(*task, unplaced),
            Write::SetDesired { task, desired } => self.set_desired(*task, *desired),
            Write::ReleaseTask { task, unconfirmed } => self.release(*task, *unconfirmed),
            Write::ObserveTask { task, observation } => self.observe(*task, observation),
            Write::SettleTask { task, outcome } => self.settle(*task, *outcome),
            Write::MarkStable { task } => self.mark_stable(*task),
            Write::DeleteTask { task } => self.delete_task(*task),
        }
    }
}
