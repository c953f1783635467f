// SPDX-License-Identifier: Apache-2.0
//! What rollouts take down, counted by what runs and not by what managers want.

use std::collections::BTreeMap;

use skep_core::check::replacements;
use skep_core::model::{Service, ServiceId, TaskId};
use skep_core::state::State;

use super::machine::Machine;

/// What was down for the rollouts of services when it was looked last.
#[derive(Default)]
pub(crate) struct Down(BTreeMap<ServiceId, Known>);

#[derive(Clone, Copy, Default)]
struct Known {
    down: usize,
    /// The most that may have been, since nothing was being replaced.
    most: usize,
}

impl Down {
    /// What is wrong: that of more tasks than a policy lets be, the old one runs no more and the
    /// new one does not run yet, or has not said that it is well.
    pub(crate) fn look(&mut self, state: &State, machines: &[Machine]) -> Option<String> {
        let mut wrong = None;
        self.0
            .retain(|service, _| state.service(*service).is_some());
        for service in state.services() {
            let id = service.meta.id;
            let replaced = replacements(state, service);
            if replaced.is_empty() {
                self.0.remove(&id);
                continue;
            }
            let runs = |task: TaskId| {
                let mut tasks = machines.iter().flat_map(|it| it.processes.running());
                tasks.any(|(running, _)| running == task)
            };
            let was_up = |task: TaskId| machines.iter().any(|it| it.processes.was_up(task));
            let down = replaced
                .iter()
                .filter(|(old, new)| !runs(old.meta.id) && !was_up(new.meta.id))
                .count();
            let known = self.0.entry(id).or_default();
            known.most = known.most.max(most(service));
            if down > known.most && down > known.down {
                let most = known.most;
                let name = &service.spec.name;
                wrong = Some(format!("{down} of {name} are down, and {most} may be"));
            }
            known.down = down;
        }
        wrong
    }
}

fn most(service: &Service) -> usize {
    let rollout = service.rollout.as_ref();
    let back = rollout.is_some_and(|rollout| rollout.state.is_back());
    service.spec.policy(back).parallelism()
}
