// SPDX-License-Identifier: Apache-2.0
//! Which services to look at after something happened.

use std::collections::BTreeSet;

use crate::model::{Node, Service, ServiceId, Swarm};
use crate::state::{Delta, Event, State};

/// Services to look at.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Dirty {
    /// Look at every service there is.
    pub all: bool,
    /// Look at these.
    pub services: BTreeSet<ServiceId>,
}

impl Dirty {
    /// Every service: after a start, or when events were missed.
    #[must_use]
    pub fn all() -> Dirty {
        Dirty {
            all: true,
            services: BTreeSet::new(),
        }
    }

    /// Whether there is nothing to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.all && self.services.is_empty()
    }

    /// Adds those of `other`.
    pub fn merge(&mut self, other: Dirty) {
        self.all |= other.all;
        self.services.extend(other.services);
    }
}

/// Which services these events may have given something to do. `state` is the state after them.
#[must_use]
pub fn dirty<'a>(state: &State, events: impl IntoIterator<Item = &'a Event>) -> Dirty {
    let mut dirty = Dirty::default();
    for event in events {
        match event {
            Event::Swarm(delta) => dirty.all |= swarm_matters(delta),
            Event::Node(delta) => note_node(&mut dirty, state, delta),
            Event::Service(delta) => note_service(&mut dirty, delta),
            Event::Task(delta) => {
                let task = delta.after.as_ref().or(delta.before.as_ref());
                dirty.services.extend(task.map(|task| task.service));
            }
        }
    }
    dirty
}

fn swarm_matters(delta: &Delta<Swarm>) -> bool {
    let matters = |swarm: &Swarm| (swarm.spec.task_history(), swarm.spec.orphan_after());
    delta.before.as_deref().map(matters) != delta.after.as_deref().map(matters)
}

/// What is derived from tasks is left out: the tasks have events of their own.
fn note_service(dirty: &mut Dirty, delta: &Delta<Service>) {
    let matters = |service: &Service| {
        let rollout = service.rollout.as_ref();
        (
            service.meta.spec_revision,
            service.meta.delete_time,
            service.template_revision,
            rollout.map(|rollout| (rollout.state, rollout.leg, rollout.revision)),
        )
    };
    if let Some(after) = &delta.after
        && delta.before.as_deref().map(matters) != Some(matters(after))
    {
        dirty.services.insert(after.meta.id);
    }
}

fn note_node(dirty: &mut Dirty, state: &State, delta: &Delta<Node>) {
    let Some(node) = delta.after.as_deref().or(delta.before.as_deref()) else {
        return;
    };
    if let (Some(before), Some(after)) = (&delta.before, &delta.after)
        && before.spec == after.spec
        && before.status.state == after.status.state
        && before.status.description == after.status.description
    {
        return;
    }
    // What places have of a node that is gone is no longer found by its name.
    dirty.all |= delta.after.is_none();
    let here = state.node_tasks(node.meta.id).map(|task| task.service);
    dirty.services.extend(here);
    let every_node = state.every_node_services().map(|service| service.meta.id);
    dirty.services.extend(every_node);
}
