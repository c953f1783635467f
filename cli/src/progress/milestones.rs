// SPDX-License-Identifier: Apache-2.0
//! Lines for a pipe or a log file: one when something is worth knowing, none over again.

use std::collections::BTreeSet;

use skep_sdk::{Object, View};

use super::follow::{Goal, Phase};
use super::picture::{Picture, failures};

/// Remembers what was said.
#[derive(Debug)]
pub(super) struct Milestones {
    goal: Goal,
    revision: u64,
    settling: String,
    overall: String,
    said: BTreeSet<String>,
    failures: usize,
}

impl Milestones {
    /// Nothing was said yet. Failures before `revision` never are; `settling` is said once all
    /// is as wanted.
    pub(super) fn new(goal: Goal, revision: u64, settling: String) -> Self {
        Self {
            goal,
            revision,
            settling,
            overall: String::new(),
            said: BTreeSet::new(),
            failures: 0,
        }
    }

    /// The lines that are new.
    pub(super) fn feed(&mut self, view: &View<Object>, phase: Phase) -> Vec<String> {
        let mut lines = Vec::new();
        let picture = Picture::of(view, self.goal, self.revision);
        let failures = failures(view, self.revision);
        // Old failures may be forgotten by the swarm, so the count only says whether to look.
        if failures.len() != self.failures {
            self.failures = failures.len();
            for (name, words) in failures {
                self.say(format!("{name}: {words}"), &mut lines);
            }
        }
        for place in &picture.places {
            // How far it is with that may change often, and is said once.
            if let Some((reason, words)) = &place.doing
                && self.said.insert(format!("{} {reason}", place.name))
            {
                lines.push(format!("{}: {words}", place.name));
            }
        }
        if !picture.overall.is_empty() && picture.overall != self.overall {
            self.overall.clone_from(&picture.overall);
            lines.push(picture.overall);
        }
        if phase == Phase::Settling {
            self.say(self.settling.clone(), &mut lines);
        }
        lines
    }

    fn say(&mut self, line: String, lines: &mut Vec<String>) {
        if self.said.insert(line.clone()) {
            lines.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::{GOAL, made_at, view};
    use super::*;
    use crate::sample;
    use skep_sdk::WatchEvent;
    use skep_sdk::v1::TaskState;

    #[test]
    fn lines_come_once_and_when_something_changed() {
        let mut milestones = Milestones::new(GOAL, 12, "verify: wait".to_owned());
        let old = made_at(3, sample::task_in(9, 1, TaskState::Failed, "long ago"));
        let pending = made_at(13, sample::pending_task(4, 2));
        let first = view(&[old.clone(), pending.clone()]);
        assert_eq!(
            milestones.feed(&first, Phase::Moving),
            [
                "web.2: no suitable node (needs 4096 MiB, most free is 2048 MiB on 3 nodes)",
                "overall progress: 2 out of 3 tasks"
            ]
        );
        assert_eq!(milestones.feed(&first, Phase::Moving), Vec::<String>::new());
        let crashed = made_at(14, sample::task_in(5, 1, TaskState::Failed, "exit 3"));
        let mut later = view(&[old, pending, crashed]);
        let mut service = sample::service();
        service.status.as_mut().unwrap().updated_tasks = 3;
        later.apply(WatchEvent::Changed(Object::Service(service)));
        assert_eq!(
            milestones.feed(&later, Phase::Settling),
            [
                "web.1: exit 3",
                "overall progress: 3 out of 3 tasks",
                "verify: wait"
            ]
        );
        assert_eq!(
            milestones.feed(&later, Phase::Settling),
            Vec::<String>::new()
        );
    }
}
