// SPDX-License-Identifier: Apache-2.0
//! What was seen of the tasks of a service over time, and what must never be seen of them.

use std::collections::{BTreeMap, BTreeSet};

/// A task that starts or ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// It starts; else it ends.
    pub starts: bool,
    /// The slot of the task.
    pub slot: String,
    /// What it was made from.
    pub version: String,
    /// The task.
    pub task: String,
}

/// What the steps of a service came to.
#[derive(Default, Debug)]
pub struct Story {
    /// The version that runs in each slot.
    pub live: BTreeMap<String, String>,
    /// The tasks that started.
    pub tasks: BTreeSet<String>,
    /// The fewest slots that ran at a time, since all of them did; nothing: they never did.
    pub fewest: Option<usize>,
}

impl Story {
    /// Reads the steps of a service of so many slots from the first to the last.
    ///
    /// # Panics
    /// If a slot ran twice at a time, or a task was started twice.
    #[must_use]
    pub fn of(steps: &[Step], slots: usize) -> Story {
        let mut story = Story::default();
        for step in steps {
            let slot = &step.slot;
            if step.starts {
                let other = story.live.insert(slot.clone(), step.version.clone());
                assert_eq!(other, None, "slot {slot} ran twice at once:\n{steps:#?}");
                let is_new = story.tasks.insert(step.task.clone());
                assert!(is_new, "{} was started twice:\n{steps:#?}", step.task);
            } else {
                story.live.remove(slot);
            }
            let running = story.live.len();
            if running == slots || story.fewest.is_some() {
                let fewest = story.fewest.unwrap_or(slots);
                story.fewest = Some(fewest.min(running));
            }
        }
        story
    }

    /// Since all slots ran once, at least so many ran at any time.
    ///
    /// # Panics
    /// If there were fewer.
    pub fn had_at_least(&self, slots: usize) {
        let fewest = self.fewest.unwrap_or(slots);
        assert!(fewest >= slots, "only {fewest} slots ran at a time");
    }

    /// Whether each of so many slots runs this version.
    #[must_use]
    pub fn is_all(&self, slots: usize, version: &str) -> bool {
        self.live.len() == slots && self.live.values().all(|runs| runs == version)
    }
}
