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

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps such as "+1a" and "-1a": slot 1 starts, and ends, version a as a task of its own.
    fn steps(text: &str) -> Vec<Step> {
        let step = |(number, word): (usize, &str)| {
            let mut letters = word.chars();
            let mut next = || letters.next().expect("three letters");
            let (sign, slot, version) = (next(), next(), next());
            Step {
                starts: sign == '+',
                slot: slot.to_string(),
                version: version.to_string(),
                task: number.to_string(),
            }
        };
        text.split(' ').enumerate().map(step).collect()
    }

    #[test]
    fn it_knows_what_runs_and_how_few_ran() {
        let story = Story::of(&steps("+1a +2a -1a +1b -2a +2b"), 2);
        assert!(story.is_all(2, "b") && !story.is_all(2, "a") && !story.is_all(3, "b"));
        assert_eq!((story.tasks.len(), story.fewest), (4, Some(1)));
        story.had_at_least(1);
        assert!(Story::of(&steps("+1a"), 2).fewest.is_none());
    }

    #[test]
    #[should_panic(expected = "only 0 slots ran at a time")]
    fn too_few_are_found() {
        Story::of(&steps("+1a +2a -1a -2a"), 2).had_at_least(1);
    }

    #[test]
    #[should_panic(expected = "slot 1 ran twice at once")]
    fn doubles_are_found() {
        let _ = Story::of(&steps("+1a +2a +1b"), 2);
    }

    #[test]
    #[should_panic(expected = "7 was started twice")]
    fn a_task_that_starts_again_is_found() {
        let mut again = steps("+1a -1a +1a");
        for step in &mut again {
            step.task = "7".to_owned();
        }
        let _ = Story::of(&again, 1);
    }
}
