// SPDX-License-Identifier: Apache-2.0
//! Which tasks a reader of logs was told of.

use std::collections::BTreeSet;

use skep_core::model::TaskId;
use skep_core::state::State;

/// Below so many, none is forgotten.
const KEPT_MIN: usize = 1_000;

/// Tasks that a reader was told of: about as many as there are, however long it follows.
#[derive(Default, Debug)]
pub(super) struct Told {
    tasks: BTreeSet<TaskId>,
    /// With so many, those that are gone are forgotten.
    prune_at: usize,
}

impl Told {
    /// Notes a task; says whether it is new to the reader.
    pub(super) fn insert(&mut self, task: TaskId, state: &State) -> bool {
        let new = self.tasks.insert(task);
        if new && self.tasks.len() >= self.prune_at.max(KEPT_MIN) {
            self.tasks.retain(|known| state.task(*known).is_some());
            self.prune_at = self.tasks.len() * 2;
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use skep_core::testing::{World, replicated};

    use super::*;

    #[test]
    fn tasks_that_are_gone_are_forgotten() {
        let mut world = World::with_nodes(1);
        let service = world.create_service(replicated("web", 1));
        world.reconcile(service);
        let task = world.state.service_tasks(service).next();
        let task = task.expect("one was made").meta.id;
        let mut told = Told::default();
        assert!(told.insert(task, &world.state));
        for gone in 0..10 * KEPT_MIN {
            told.insert(TaskId(1 << 100 | gone as u128), &world.state);
        }
        assert!(told.tasks.len() <= KEPT_MIN, "{}", told.tasks.len());
        assert!(!told.insert(task, &world.state), "it is still there");
    }
}
