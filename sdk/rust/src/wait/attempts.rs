// SPDX-License-Identifier: Apache-2.0
//! Counting the attempts of a service that fail in a row, place by place.

use std::collections::BTreeMap;
use std::time::Duration;

use prost_types::Timestamp;

use super::Sight;
use super::sight::wants_to_run;
use crate::v1::restart_policy::Condition as Restart;
use crate::v1::{Service, Task, TaskState};

/// So many attempts in a row that end before they were stable are a crash loop.
pub const FAILURES_MAX: u32 = 3;

/// A place of a service, a slot or a node, whose tasks end over and over.
#[derive(Debug, Clone, PartialEq)]
pub struct Failing {
    /// Attempts in a row that ended before they were stable, since the change.
    pub times: u32,
    /// The last of them.
    pub task: Task,
}

/// A slot; or with one task a node the name that all tasks of a node have.
type Place<'a> = (u32, &'a str);

/// What was counted at a place.
#[derive(Debug, Default)]
struct Row {
    /// The last attempt that was counted.
    attempt: u32,
    times: u32,
    last: Option<Task>,
}

/// Where a place is.
#[derive(PartialEq)]
enum Way {
    /// Nothing is on its way there: its task runs, has done its work, waits for its turn in a
    /// rolling update, or finds no node.
    Rests,
    /// A task is on its way, and not known to be bad.
    Goes,
    /// Attempts end over and over.
    Fails,
}

/// Attempts that ended badly, over all that was seen: the swarm forgets old ones.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    template: u64,
    rows: BTreeMap<(u32, String), Row>,
}

impl Attempts {
    /// Takes in what is seen. The places that fail over and over are given once nothing else is
    /// on its way. Tasks made before `since` do not count, nor those that ran for `stable_for`.
    pub(super) fn see(&mut self, sight: &Sight, since: u64, stable_for: Duration) -> Vec<Failing> {
        let Some(service) = &sight.service else {
            return Vec::new();
        };
        let status = service.status.as_ref();
        let template = status.map_or(0, |status| status.template_revision);
        if template != self.template {
            self.rows.clear();
            self.template = template;
        }
        let counts = |task: &Task| {
            let made = task.meta.as_ref().map_or(0, |meta| meta.create_revision);
            task.template_revision == template && made >= since && ended_by_itself(task)
        };
        if self.rows.is_empty() && !sight.tasks.values().any(counts) {
            return Vec::new();
        }
        let places = places(sight);
        for (place, tasks) in &places {
            for task in tasks.iter().filter(|task| counts(task)) {
                self.count(*place, task, stable_for);
            }
        }
        let desired = status.map_or(0, |status| status.desired_tasks);
        self.failing(service, &places, desired)
    }

    fn count(&mut self, place: Place<'_>, task: &Task, stable_for: Duration) {
        let row = self.rows.entry((place.0, place.1.to_owned())).or_default();
        if task.attempt <= row.attempt {
            return;
        }
        row.attempt = task.attempt;
        if ran_for(task).is_some_and(|span| span >= stable_for) {
            row.times = 0;
        } else {
            row.times += 1;
        }
        row.last = Some(task.clone());
    }

    fn failing(
        &self,
        service: &Service,
        places: &BTreeMap<Place<'_>, Vec<&Task>>,
        desired: u32,
    ) -> Vec<Failing> {
        let mut failing = Vec::new();
        let mut wanted = 0;
        for (place, tasks) in places {
            let Some(task) = tasks.iter().rev().find(|task| wants_to_run(task)) else {
                continue;
            };
            wanted += 1;
            let row = self.rows.get(&(place.0, place.1.to_owned()));
            match self.way(service, task, row) {
                Way::Rests => {}
                Way::Goes => return Vec::new(),
                Way::Fails => failing.extend(row.and_then(Row::failing)),
            }
        }
        if wanted < desired {
            return Vec::new();
        }
        failing
    }

    /// Where a place is whose newest task is this.
    fn way(&self, service: &Service, task: &Task, row: Option<&Row>) -> Way {
        let state = state(task);
        let is_unplaced = state == TaskState::Pending
            && task.status.as_ref().is_some_and(|s| s.unplaced.is_some());
        let is_done = state == TaskState::Completed && restart(service) != Restart::Any;
        let is_outdated = task.template_revision != self.template;
        if is_outdated || is_unplaced || is_done || state == TaskState::Running {
            return Way::Rests;
        }
        match row {
            // Of one that has just ended it is open whether another attempt follows: the swarm
            // says so, or that the service is stalled.
            Some(row) if row.times >= FAILURES_MAX && !ended_by_itself(task) => Way::Fails,
            _ => Way::Goes,
        }
    }
}

impl Row {
    fn failing(&self) -> Option<Failing> {
        self.last.clone().map(|task| Failing {
            times: self.times,
            task,
        })
    }
}

/// The tasks of each place, in the order of their attempts.
fn places(sight: &Sight) -> BTreeMap<Place<'_>, Vec<&Task>> {
    let mut places: BTreeMap<Place<'_>, Vec<&Task>> = BTreeMap::new();
    for task in sight.tasks.values() {
        let name = if task.slot == 0 { &*task.name } else { "" };
        places.entry((task.slot, name)).or_default().push(task);
    }
    for tasks in places.values_mut() {
        tasks.sort_by_key(|task| task.attempt);
    }
    places
}

fn state(task: &Task) -> TaskState {
    task.status
        .as_ref()
        .map_or(TaskState::Pending, |status| status.state())
}

/// Not one that was stopped on order, nor one that was lost with its node.
fn ended_by_itself(task: &Task) -> bool {
    use TaskState::{Completed, Failed, Rejected};
    matches!(state(task), Completed | Failed | Rejected)
}

/// When tasks of a service are made anew.
fn restart(service: &Service) -> Restart {
    let template = service
        .spec
        .as_ref()
        .and_then(|spec| spec.template.as_ref());
    let policy = template.and_then(|template| template.restart.as_ref());
    match policy.map(|policy| policy.condition()) {
        None | Some(Restart::Unspecified) => Restart::Any,
        Some(condition) => condition,
    }
}

/// How long a task that has ended was RUNNING; none: it never was.
fn ran_for(task: &Task) -> Option<Duration> {
    let status = task.status.as_ref()?;
    let running = |past: &&crate::v1::TaskTransition| past.state() == TaskState::Running;
    let began = nanos(status.history.iter().find(running)?.time.as_ref()?);
    let ended = nanos(status.transition_time.as_ref()?);
    Some(Duration::from_nanos(
        u64::try_from(ended.saturating_sub(began)).unwrap_or(0),
    ))
}

fn nanos(time: &Timestamp) -> i64 {
    let seconds = time.seconds.saturating_mul(1_000_000_000);
    seconds.saturating_add(i64::from(time.nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{
        Meta, RestartPolicy, ServiceSpec, ServiceStatus, TaskStatus, TaskTemplate, TaskTransition,
        Unplaced,
    };
    use crate::view::Identified;

    const SINCE: u64 = 7;
    const STABLE: Duration = Duration::from_secs(5);

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    /// An attempt in a slot, in a state since second 10.
    fn task(slot: u32, attempt: u32, state: TaskState) -> Task {
        let status = TaskStatus {
            state: state.into(),
            transition_time: at(10),
            ..TaskStatus::default()
        };
        Task {
            meta: Some(Meta {
                id: format!("{slot}.{attempt}"),
                create_revision: SINCE,
                ..Meta::default()
            }),
            slot,
            attempt,
            template_revision: SINCE,
            desired_state: TaskState::Running.into(),
            status: Some(status),
            ..Task::default()
        }
    }

    /// One that has been followed by another.
    fn failed(slot: u32, attempt: u32) -> Task {
        Task {
            desired_state: TaskState::Stopped.into(),
            ..task(slot, attempt, TaskState::Failed)
        }
    }

    /// Three in a row, and the next on its way.
    fn looping() -> [Task; 4] {
        let next = task(1, 4, TaskState::Ready);
        [failed(1, 1), failed(1, 2), failed(1, 3), next]
    }

    fn sight(desired: u32, tasks: &[Task]) -> Sight {
        let status = ServiceStatus {
            desired_tasks: desired,
            template_revision: SINCE,
            ..ServiceStatus::default()
        };
        Sight {
            service: Some(Service {
                status: Some(status),
                ..Service::default()
            }),
            tasks: tasks
                .iter()
                .map(|task| (task.id().to_owned(), task.clone()))
                .collect(),
            revision: 9,
        }
    }

    fn slots(found: &[Failing]) -> Vec<(u32, u32, u32)> {
        let slot = |f: &Failing| (f.task.slot, f.task.attempt, f.times);
        found.iter().map(slot).collect()
    }

    fn see(sight: &Sight) -> Vec<(u32, u32, u32)> {
        slots(&Attempts::default().see(sight, SINCE, STABLE))
    }

    #[test]
    fn three_in_a_row_are_a_loop_and_two_are_not() {
        let two = [failed(1, 1), failed(1, 2), task(1, 3, TaskState::Starting)];
        assert_eq!(see(&sight(1, &two)), []);
        let three = [failed(1, 1), failed(1, 2), task(1, 3, TaskState::Rejected)];
        let then = |state| see(&sight(1, &[&three[..], &[task(1, 4, state)]].concat()));
        assert_eq!(then(TaskState::Ready), [(1, 3, 3)]);
        // It may be the one that works.
        assert_eq!(then(TaskState::Running), []);
        // Perhaps no attempt is left: then the service says that it is stalled.
        assert_eq!(see(&sight(1, &three)), []);
    }

    #[test]
    fn what_the_swarm_forgets_stays_counted() {
        let mut attempts = Attempts::default();
        for attempt in 1..=3 {
            let next = task(1, attempt + 1, TaskState::Ready);
            let only = sight(1, &[failed(1, attempt), next]);
            let found = slots(&attempts.see(&only, SINCE, STABLE));
            let again = slots(&attempts.see(&only, SINCE, STABLE));
            assert_eq!(found, again);
            let expected: &[_] = if attempt == 3 { &[(1, 3, 3)] } else { &[] };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn others_on_their_way_are_waited_for_and_others_at_rest_are_not() {
        let bad = looping();
        let mut old = task(2, 1, TaskState::Running);
        old.template_revision = 3;
        let mut unplaced = task(2, 1, TaskState::Pending);
        unplaced.status.as_mut().unwrap().unplaced = Some(Unplaced::default());
        for rests in [task(2, 1, TaskState::Running), old, unplaced] {
            let all = [&bad[..], &[rests]].concat();
            assert_eq!(see(&sight(2, &all)), [(1, 3, 3)]);
        }
        for goes in [TaskState::Pending, TaskState::Preparing, TaskState::Failed] {
            let all = [&bad[..], &[task(2, 1, goes)]].concat();
            assert_eq!(see(&sight(2, &all)), [], "{goes:?}");
        }
        // A slot without a task yet.
        assert_eq!(see(&sight(2, &bad)), []);
    }

    #[test]
    fn a_stable_run_ends_the_row() {
        let mut tasks = looping();
        let began = |seconds| TaskTransition {
            state: TaskState::Running.into(),
            time: at(seconds),
        };
        tasks[1].status.as_mut().unwrap().history = vec![began(6)];
        assert_eq!(see(&sight(1, &tasks)), [(1, 3, 3)]);
        tasks[1].status.as_mut().unwrap().history = vec![began(5)];
        assert_eq!(see(&sight(1, &tasks)), []);
    }

    #[test]
    fn an_end_with_code_0_counts_if_the_task_is_made_anew() {
        let ended = |n| Task {
            desired_state: TaskState::Stopped.into(),
            ..task(1, n, TaskState::Completed)
        };
        let next = task(1, 4, TaskState::Ready);
        assert_eq!(
            see(&sight(1, &[ended(1), ended(2), ended(3), next])),
            [(1, 3, 3)]
        );
        let mut all = sight(2, &looping());
        let done = task(2, 1, TaskState::Completed);
        all.tasks.insert(done.id().to_owned(), done);
        assert_eq!(see(&all), []);
        let policy = RestartPolicy {
            condition: Restart::OnFailure.into(),
            ..RestartPolicy::default()
        };
        all.service.as_mut().unwrap().spec = Some(ServiceSpec {
            template: Some(TaskTemplate {
                restart: Some(policy),
                ..TaskTemplate::default()
            }),
            ..ServiceSpec::default()
        });
        assert_eq!(see(&all), [(1, 3, 3)]);
    }

    #[test]
    fn what_was_before_the_change_or_of_another_template_is_not_counted() {
        let mut before = failed(1, 1);
        before.meta.as_mut().unwrap().create_revision = SINCE - 1;
        let mut other = failed(1, 1);
        other.template_revision = SINCE - 1;
        let mut lost = failed(1, 1);
        lost.status.as_mut().unwrap().state = TaskState::Orphaned.into();
        for first in [before, other, lost] {
            let mut all = looping();
            all[0] = first;
            assert_eq!(see(&sight(1, &all)), []);
        }
        let mut changed = sight(1, &looping());
        let mut attempts = Attempts::default();
        attempts.see(&changed, SINCE, STABLE);
        let status = changed.service.as_mut().unwrap().status.as_mut().unwrap();
        status.template_revision = 8;
        assert_eq!(attempts.see(&changed, SINCE, STABLE), []);
    }
}
