// SPDX-License-Identifier: Apache-2.0
//! What a view of a service means for people who wait: how far it is, and each of its places.

use std::collections::BTreeMap;

use skep_sdk::v1::{ServiceStatus, Task, TaskState, rollout};
use skep_sdk::{Identified, Object, View};

use crate::output::human::one_line;
use crate::output::words;
use crate::progress::Goal;
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
    /// The task's name.
    pub(super) name: String,
    /// What its task does, in a word.
    pub(super) word: &'static str,
    /// How far that is, 0 to [`FULL`].
    pub(super) steps: u8,
    /// What it is waiting for or busy with, by the reason that the node or the managers name.
    pub(super) doing: Option<(String, String)>,
    /// What keeps it from running: the same, or how the attempt before it failed.
    pub(super) trouble: String,
}

impl Place {
    /// One whose task does nothing that is worth a bar.
    fn at_rest(key: String, task: &Task, word: &'static str) -> Self {
        Self {
            key,
            name: task.name.clone(),
            word,
            steps: 0,
            doing: None,
            trouble: String::new(),
        }
    }
}

impl Picture {
    /// What a view shows of the way to a goal. Failures before `revision` do not count.
    pub(super) fn of(view: &View<Object>, goal: Goal, revision: u64) -> Self {
        let overall = match goal {
            Goal::Converged { .. } => overall(view),
            Goal::Deleted => leaving(view),
        };
        let mut by_place: BTreeMap<(u32, String), Vec<&Task>> = BTreeMap::new();
        for task in view.tasks() {
            let name = if task.slot == 0 {
                task.name.clone()
            } else {
                String::new()
            };
            by_place.entry((task.slot, name)).or_default().push(task);
        }
        let places = by_place.into_values().filter_map(|mut tasks| {
            tasks.sort_by_key(|task| (created(task), task.attempt));
            place(view, goal, &tasks, revision)
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

fn status(view: &View<Object>) -> Option<&ServiceStatus> {
    view.service()?.status.as_ref()
}

/// Docker's sentence.
fn overall(view: &View<Object>) -> String {
    let status = status(view).cloned().unwrap_or_default();
    let state = status.rollout.as_ref().map(|rollout| rollout.state());
    let direction = match state {
        Some(rollout::State::RollingBack) => "rolling back update: ",
        _ => "",
    };
    format!(
        "overall progress: {direction}{} out of {}",
        status.updated_tasks.min(status.desired_tasks),
        words::count(status.desired_tasks, "task")
    )
}

/// Names the service: several may be removed one after the other. Of one that is gone there is
/// nothing to say, nor of one that will be next: whether anybody sees that moment is luck.
fn leaving(view: &View<Object>) -> String {
    let Some(service) = view.service() else {
        return String::new();
    };
    let name = service.spec.as_ref().map_or("", |spec| &spec.name);
    let left = view.tasks().filter(|task| !has_ended(task)).count();
    match u32::try_from(left).unwrap_or(u32::MAX) {
        0 => String::new(),
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
fn place(view: &View<Object>, goal: Goal, tasks: &[&Task], revision: u64) -> Option<Place> {
    let wanted = tasks.iter().rev().find(|task| is_wanted(task));
    let leaving = tasks.iter().rev().find(|task| !has_ended(task));
    let task = wanted.or(leaving)?;
    let key = key(view, task);
    if goal == Goal::Deleted || wanted.is_none() {
        return Some(Place::at_rest(key, task, "stopping"));
    }
    let template = status(view).map_or(0, |status| status.template_revision);
    if task.template_revision != template {
        return Some(Place::at_rest(key, task, "waiting"));
    }
    let (word, steps) = step(state_of(task));
    let own = task.status.as_ref().map(trouble).unwrap_or_default();
    let doing = doing(task);
    let earlier = tasks
        .iter()
        .rev()
        .filter_map(|task| failure(task, revision));
    let trouble = match state_of(task) {
        TaskState::Running => String::new(),
        _ if !own.is_empty() => one_line(&own),
        _ if doing.is_some() => doing.iter().map(|(_, words)| words.clone()).collect(),
        _ => earlier.map(|(_, words)| words).next().unwrap_or_default(),
    };
    Some(Place {
        key,
        name: task.name.clone(),
        word,
        steps,
        doing,
        trouble,
    })
}

/// `1/3`, or with one task a node the node's name.
fn key(view: &View<Object>, task: &Task) -> String {
    let desired = status(view).map_or(0, |status| status.desired_tasks);
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

/// What a task on its way is waiting for or busy with: the reason, and the words.
fn doing(task: &Task) -> Option<(String, String)> {
    let status = task.status.as_ref()?;
    if state_of(task) >= TaskState::Running {
        return None;
    }
    let (reason, words) = match &status.unplaced {
        Some(unplaced) => (words::unplaced(unplaced), words::unplaced(unplaced)),
        None => (status.reason.clone(), one_line(&status.message)),
    };
    (!words.is_empty()).then_some((reason, words))
}

/// What each task that is meant to run and does not yet is doing.
pub(super) fn busy(view: &View<Object>) -> Vec<String> {
    let mut tasks: Vec<&Task> = view.tasks().filter(|task| is_wanted(task)).collect();
    tasks.retain(|task| state_of(task) < TaskState::Running);
    tasks.sort_by_key(|task| (task.slot, created(task)));
    let line = |task: &Task| {
        let word = step(state_of(task)).0;
        match doing(task) {
            Some((_, words)) => format!("{}: {word}: {words}", task.name),
            None => format!("{}: {word}", task.name),
        }
    };
    tasks.into_iter().map(line).collect()
}

/// Whether a task is meant to run.
pub(super) fn is_wanted(task: &Task) -> bool {
    task.desired_state() <= TaskState::Running
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
pub(super) fn failures(view: &View<Object>, revision: u64) -> Vec<(String, String)> {
    let mut tasks: Vec<&Task> = view.tasks().collect();
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
    use skep_sdk::WatchEvent;

    pub(in crate::progress) const GOAL: Goal = Goal::Converged { spec_revision: 12 };

    /// A service with these tasks.
    pub(in crate::progress) fn view(tasks: &[Task]) -> View<Object> {
        let objects = tasks.iter().cloned().map(Object::Task);
        let mut view = View::default();
        view.apply(WatchEvent::Reset(
            objects
                .chain([Object::Service(sample::service())])
                .collect(),
        ));
        view.revision = 40;
        view
    }

    /// A task made at a revision.
    pub(in crate::progress) fn made_at(revision: u64, mut task: Task) -> Task {
        task.meta.get_or_insert_default().create_revision = revision;
        task
    }

    fn lines(view: &View<Object>, goal: Goal) -> Vec<String> {
        let picture = Picture::of(view, goal, 12);
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
            lines(&view(&[before, crashed, next, pending, running]), GOAL),
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
            lines(&view(&[old, stopping, stopped]), GOAL),
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
        let left = view(&[sample::task(1, 1), stopped.clone()]);
        assert_eq!(
            lines(&left, Goal::Deleted),
            ["removing web: 1 task still to stop", "1/3 stopping 0"]
        );
        assert_eq!(lines(&view(&[stopped]), Goal::Deleted), [""]);
    }

    #[test]
    fn global_services_show_nodes() {
        let mut task = sample::task(1, 0);
        task.name = "web.node-1".into();
        assert_eq!(lines(&view(&[task]), GOAL)[1], "node-1 running 9");
    }
}
