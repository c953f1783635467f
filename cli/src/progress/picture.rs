// SPDX-License-Identifier: Apache-2.0
//! What a sight of a service means for people who wait: how far it is, and each of its places.

use std::collections::BTreeMap;

use skep_sdk::v1::{Task, TaskState};
use skep_sdk::{Goal, Identified, Sight};

use crate::output::human::one_line;
use crate::output::words;
use crate::show::task::trouble;

/// How full the bar of a task that runs is; others have a part of it.
pub(super) const FULL: u8 = 9;

/// How far a change is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    /// One sentence on all of it; empty: there is nothing new to say.
    pub(super) overall: String,
    /// A line for each place: slot, or node.
    pub(super) places: Vec<Place>,
}

/// One place of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// `1/3`, or the node's name.
    pub(super) key: String,
    /// What its task does, in a word.
    pub(super) word: &'static str,
    /// How far that is, 0 to [`FULL`].
    pub(super) steps: u8,
    /// What keeps it from running.
    pub(super) trouble: String,
}

impl Picture {
    /// What a sight shows of the way to a goal. Failures before `revision` do not count.
    pub(super) fn of(sight: &Sight, goal: Goal, revision: u64) -> Self {
        let overall = match goal {
            Goal::Converged { .. } => overall(sight),
            Goal::Deleted => leaving(sight),
        };
        let mut by_place: BTreeMap<(u32, String), Vec<&Task>> = BTreeMap::new();
        for task in sight.tasks.values() {
            let name = if task.slot == 0 {
                task.name.clone()
            } else {
                String::new()
            };
            by_place.entry((task.slot, name)).or_default().push(task);
        }
        let places = by_place.into_values().filter_map(|mut tasks| {
            tasks.sort_by_key(|task| (created(task), task.attempt));
            place(sight, goal, &tasks, revision)
        });
        Self {
            overall,
            places: places.collect(),
        }
    }
}

fn created(task: &Task) -> u64 {
    task.meta().map_or(0, |meta| meta.create_revision)
}

/// Docker's sentence.
fn overall(sight: &Sight) -> String {
    let status = sight
        .service
        .as_ref()
        .and_then(|service| service.status.clone());
    let status = status.unwrap_or_default();
    format!(
        "overall progress: {} out of {}",
        status.updated_tasks.min(status.desired_tasks),
        words::count(status.desired_tasks, "task")
    )
}

/// Names the service: several may be removed one after the other. Of one that is gone there is
/// nothing to say.
fn leaving(sight: &Sight) -> String {
    let Some(service) = &sight.service else {
        return String::new();
    };
    let name = service.spec.as_ref().map_or("", |spec| &spec.name);
    let left = sight.tasks.values().filter(|task| !has_ended(task)).count();
    match u32::try_from(left).unwrap_or(u32::MAX) {
        0 => format!("removing {name}: all tasks have stopped"),
        left => format!(
            "removing {name}: {} still to stop",
            words::count(left, "task")
        ),
    }
}

fn state_of(task: &Task) -> TaskState {
    task.status
        .as_ref()
        .map_or(TaskState::Pending, |status| status.state())
}

fn has_ended(task: &Task) -> bool {
    state_of(task) > TaskState::Running
}

/// The line of a place, from its tasks in the order they were made. None: it is not wanted any
/// more and nothing is left there.
fn place(sight: &Sight, goal: Goal, tasks: &[&Task], revision: u64) -> Option<Place> {
    let wanted = tasks
        .iter()
        .rev()
        .find(|task| task.desired_state() <= TaskState::Running);
    let leaving = tasks.iter().rev().find(|task| !has_ended(task));
    let task = wanted.or(leaving)?;
    let key = key(sight, task);
    if goal == Goal::Deleted || wanted.is_none() {
        return Some(Place {
            key,
            word: "stopping",
            steps: 0,
            trouble: String::new(),
        });
    }
    let status = sight
        .service
        .as_ref()
        .and_then(|service| service.status.as_ref());
    let template = status.map_or(0, |status| status.template_revision);
    if task.template_revision != template {
        return Some(Place {
            key,
            word: "waiting",
            steps: 0,
            trouble: String::new(),
        });
    }
    let (word, steps) = step(state_of(task));
    let own = task.status.as_ref().map(trouble).unwrap_or_default();
    let earlier = tasks
        .iter()
        .rev()
        .filter_map(|task| failure(task, revision));
    let trouble = match state_of(task) {
        TaskState::Running => String::new(),
        _ if !own.is_empty() => one_line(&own),
        _ => earlier.map(|(_, words)| words).next().unwrap_or_default(),
    };
    Some(Place {
        key,
        word,
        steps,
        trouble,
    })
}

/// `1/3`, or with one task a node the node's name.
fn key(sight: &Sight, task: &Task) -> String {
    let status = sight
        .service
        .as_ref()
        .and_then(|service| service.status.as_ref());
    let desired = status.map_or(0, |status| status.desired_tasks);
    match (task.slot, &task.node) {
        (0, Some(node)) => node.name.clone(),
        (0, None) => task.name.clone(),
        (slot, _) => format!("{slot}/{}", desired.max(slot)),
    }
}

/// Docker's word for a state on the way, and how much of the bar it fills.
fn step(state: TaskState) -> (&'static str, u8) {
    match state {
        TaskState::Unspecified | TaskState::Pending => ("pending", 3),
        TaskState::Assigned => ("assigned", 4),
        TaskState::Accepted => ("accepted", 5),
        TaskState::Preparing => ("preparing", 6),
        TaskState::Ready => ("ready", 7),
        TaskState::Starting => ("starting", 8),
        TaskState::Running => ("running", FULL),
        TaskState::Completed => ("complete", 0),
        TaskState::Stopped => ("shutdown", 0),
        TaskState::Failed => ("failed", 0),
        TaskState::Rejected => ("rejected", 0),
        TaskState::Orphaned => ("orphaned", 0),
        TaskState::Removed => ("remove", 0),
    }
}

/// How a task ended, in its own last words.
pub(super) fn end(task: &Task) -> String {
    let status = task.status.clone().unwrap_or_default();
    match one_line(&trouble(&status)) {
        words if words.is_empty() => {
            format!("exited with code {}", status.exit_code.unwrap_or_default())
        }
        words => words,
    }
}

/// The name of a task and how it failed, if it did since a revision.
fn failure(task: &Task, revision: u64) -> Option<(String, String)> {
    let failed = [TaskState::Failed, TaskState::Rejected, TaskState::Orphaned];
    if created(task) < revision || !failed.contains(&state_of(task)) {
        return None;
    }
    let words = task.status.as_ref().map(trouble).unwrap_or_default();
    Some((task.name.clone(), one_line(&words)))
}

/// All failures since a revision, in the order the tasks were made.
pub(super) fn failures(sight: &Sight, revision: u64) -> Vec<(String, String)> {
    let mut tasks: Vec<&Task> = sight.tasks.values().collect();
    tasks.sort_by_key(|task| (created(task), task.name.clone()));
    tasks
        .into_iter()
        .filter_map(|task| failure(task, revision))
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::sample;

    pub(in crate::progress) const GOAL: Goal = Goal::Converged { spec_revision: 12 };

    pub(in crate::progress) fn sight(tasks: &[Task]) -> Sight {
        let tasks = tasks
            .iter()
            .map(|task| (task.id().to_owned(), task.clone()))
            .collect();
        Sight {
            service: Some(sample::service()),
            tasks,
            revision: 40,
        }
    }

    /// A task made at a revision.
    pub(in crate::progress) fn made_at(revision: u64, mut task: Task) -> Task {
        task.meta.get_or_insert_default().create_revision = revision;
        task
    }

    fn lines(sight: &Sight, goal: Goal) -> Vec<String> {
        let picture = Picture::of(sight, goal, 12);
        let line = |p: &Place| format!("{} {} {} {}", p.key, p.word, p.steps, p.trouble);
        std::iter::once(picture.overall.clone())
            .chain(picture.places.iter().map(line))
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    #[test]
    fn each_slot_shows_its_newest_task() {
        let before = made_at(
            10,
            sample::task_in(1, 1, TaskState::Failed, "before the change"),
        );
        let crashed = made_at(13, sample::task_in(2, 1, TaskState::Failed, "exit 3\nboom"));
        let next = made_at(14, sample::task_in(3, 1, TaskState::Starting, ""));
        let pending = made_at(13, sample::pending_task(4, 2));
        let running = made_at(13, sample::task(5, 3));
        assert_eq!(
            lines(&sight(&[before, crashed, next, pending, running]), GOAL),
            [
                "overall progress: 2 out of 3 tasks",
                "1/3 starting 8 exit 3 boom",
                "2/3 pending 3 no suitable node (needs 4096 MiB, most free is 2048 MiB on 3 nodes)",
                "3/3 running 9",
            ]
        );
    }

    #[test]
    fn tasks_of_the_old_template_wait_and_stopped_slots_leave() {
        let mut old = sample::task(1, 1);
        old.template_revision = 5;
        let mut stopping = sample::task(2, 2);
        stopping.desired_state = TaskState::Stopped.into();
        let stopped = sample::task_in(3, 3, TaskState::Stopped, "");
        assert_eq!(
            lines(&sight(&[old, stopping, stopped]), GOAL),
            [
                "overall progress: 2 out of 3 tasks",
                "1/3 waiting 0",
                "2/3 stopping 0"
            ]
        );
    }

    #[test]
    fn a_removal_counts_what_is_left() {
        let stopped = sample::task_in(3, 3, TaskState::Stopped, "");
        let left = sight(&[sample::task(1, 1), stopped.clone()]);
        assert_eq!(
            lines(&left, Goal::Deleted),
            ["removing web: 1 task still to stop", "1/3 stopping 0"]
        );
        assert_eq!(
            lines(&sight(&[stopped]), Goal::Deleted),
            ["removing web: all tasks have stopped"]
        );
    }

    #[test]
    fn global_services_show_nodes() {
        let mut task = sample::task(1, 0);
        task.name = "web.node-1".into();
        assert_eq!(lines(&sight(&[task]), GOAL)[1], "node-1 running 9");
    }
}
