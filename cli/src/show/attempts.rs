// SPDX-License-Identifier: Apache-2.0
//! What the attempts at a place say together: that they are a crash loop, or that none is left.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use skep_sdk::Identified;
use skep_sdk::v1::{Task, TaskState, TaskStatus};

use super::task::{failure, place, trouble};
use super::{age, ahead};
use crate::output::human::{coming, one_line};

/// So many attempts in a row that ended early are a crash loop, as for the service's STALLED.
const LOOP_ENDS: usize = 3;

/// An attempt that has run for so long is stable: its end is no early one.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// So long after an end it is open whether another attempt follows.
const UNDECIDED: Duration = Duration::from_secs(1);

/// Tasks of one place, newest first.
type Place<'a> = BTreeMap<(u64, u32), &'a Task>;

/// What is to be said of tasks besides how they ended themselves, by id. `more` are tasks that
/// came before them and are not looked at themselves.
pub(super) fn words(tasks: &[Task], more: &[Task], now: SystemTime) -> BTreeMap<String, String> {
    let mut places: BTreeMap<_, Place<'_>> = BTreeMap::new();
    for task in tasks.iter().chain(more) {
        let made = task.meta.as_ref().map_or(0, |meta| meta.create_revision);
        let attempts = places.entry(place(task)).or_default();
        attempts.insert((made, task.attempt), task);
    }
    let said = places.values().filter_map(|attempts| {
        let mut attempts = attempts.values().rev().copied();
        let newest = attempts.next()?;
        let earlier: Vec<&Task> = attempts.collect();
        let words = of_place(newest, &earlier, now)?;
        Some((newest.id().to_owned(), words))
    });
    said.collect()
}

/// Services of which the earlier attempts have to be known to tell a crash loop, and are not among
/// these tasks.
pub(crate) fn unknown(tasks: &[Task]) -> Vec<String> {
    let mut seen: BTreeMap<_, (usize, &Task)> = BTreeMap::new();
    for task in tasks {
        let (count, newest) = seen.entry(place(task)).or_insert((0, task));
        *count += 1;
        if task.attempt > newest.attempt {
            *newest = task;
        }
    }
    let is_unknown = |(count, newest): &(usize, &Task)| {
        let before = usize::try_from(newest.attempt).unwrap_or(usize::MAX) - 1;
        *count <= LOOP_ENDS && before >= LOOP_ENDS && holds(newest) && !has_ended(newest)
    };
    let services = seen.into_values().filter(is_unknown);
    let mut services: Vec<String> = services
        .filter_map(|(_, task)| Some(task.service.as_ref()?.id.clone()))
        .collect();
    services.dedup();
    services
}

fn of_place(newest: &Task, earlier: &[&Task], now: SystemTime) -> Option<String> {
    let status = newest.status.clone().unwrap_or_default();
    if !holds(newest) {
        return None;
    }
    if has_ended(newest) {
        let since = newest.meta.as_ref().and_then(|m| m.update_time.as_ref());
        let is_over = is_failure(status.state()) && age(since, now) >= UNDECIDED;
        let words = || format!("attempt {} was the last", newest.attempt);
        return is_over.then(|| with_end(words(), &status));
    }
    // What keeps it from running now comes first.
    (trouble(&status).is_empty() && is_loop(newest, earlier, now)).then(|| {
        let next = match &status.restart_time {
            Some(time) if !ahead(time, now).is_zero() => format!(" {}", coming(ahead(time, now))),
            _ => String::new(),
        };
        let words = format!("crash loop, attempt {}{next}", newest.attempt);
        let last = earlier[0].status.clone().unwrap_or_default();
        with_end(words, &last)
    })
}

/// Whether enough attempts before this one ended early, and it has not become stable itself.
fn is_loop(newest: &Task, earlier: &[&Task], now: SystemTime) -> bool {
    let status = newest.status.clone().unwrap_or_default();
    let is_stable = status.state() == TaskState::Running
        && age(status.transition_time.as_ref(), now) >= STABLE_AFTER;
    let ended_early = |task: &&&Task| {
        task.template_revision == newest.template_revision
            && task.status.as_ref().is_some_and(is_early)
    };
    !is_stable && earlier.iter().take_while(ended_early).count() >= LOOP_ENDS
}

/// Whether it ended by itself before it was stable.
fn is_early(status: &TaskStatus) -> bool {
    let by_itself = status.state() == TaskState::Completed || is_failure(status.state());
    let running = TaskState::Running;
    let started = status.history.iter().find(|step| step.state() == running);
    let start = started.and_then(|step| SystemTime::try_from(step.time?).ok());
    let ran = start.map(|start| {
        let end = status.transition_time.as_ref();
        end.map_or(Duration::ZERO, |end| ahead(end, start))
    });
    by_itself && ran.is_none_or(|ran| ran < STABLE_AFTER)
}

/// Failures after which its place decides what follows; not those of its node.
fn is_failure(state: TaskState) -> bool {
    matches!(state, TaskState::Failed | TaskState::Rejected)
}

fn has_ended(task: &Task) -> bool {
    task.status
        .as_ref()
        .is_some_and(|status| status.state() > TaskState::Running)
}

/// Whether it has its place: it is to run, or has ended and nothing followed.
fn holds(task: &Task) -> bool {
    task.desired_state() <= TaskState::Running
}

/// The words, and how the last attempt ended.
fn with_end(words: String, status: &TaskStatus) -> String {
    format!("{words}: {}", one_line(&failure(status)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const BOOM: &str = "exited with code 3; last output: boom";

    /// Attempts at the first place of `web` that ended after so many seconds each, and one more.
    fn attempts(ran: &[i64]) -> Vec<Task> {
        let mut tasks: Vec<Task> = (1..).zip(ran).map(|(n, ran)| ended(n, *ran)).collect();
        let next = u32::try_from(ran.len()).unwrap() + 1;
        tasks.push(sample::at(
            next,
            sample::task_in(next, 1, TaskState::Starting, ""),
        ));
        tasks
    }

    fn ended(number: u32, ran: i64) -> Task {
        sample::failed_attempt(number, 1, number, ran)
    }

    fn said(tasks: &[Task]) -> Vec<String> {
        let words = words(tasks, &[], sample::now());
        words.into_values().collect()
    }

    fn newest(tasks: &mut [Task]) -> &mut TaskStatus {
        tasks.last_mut().unwrap().status.as_mut().unwrap()
    }

    #[test]
    fn three_early_ends_in_a_row_are_a_crash_loop() {
        let looping = format!("crash loop, attempt 4: {BOOM}");
        assert_eq!(said(&attempts(&[0, 4, 1])), std::slice::from_ref(&looping));
        for calm in [&[][..], &[0, 0], &[0, 0, 5], &[0, 0, 60, 0, 0]] {
            assert!(said(&attempts(calm)).is_empty(), "{calm:?}");
        }
        // What came before an update does not count, nor what was stopped.
        let mut tasks = attempts(&[0, 0, 0]);
        tasks[0].template_revision = 7;
        assert!(said(&tasks).is_empty());
        let mut tasks = attempts(&[0, 0, 0]);
        tasks[2]
            .status
            .as_mut()
            .unwrap()
            .set_state(TaskState::Stopped);
        assert!(said(&tasks).is_empty());
        // It stays one until an attempt is stable.
        let mut tasks = attempts(&[0, 0, 0]);
        newest(&mut tasks).set_state(TaskState::Running);
        newest(&mut tasks).transition_time = sample::ago(4);
        assert_eq!(said(&tasks), [looping]);
        newest(&mut tasks).transition_time = sample::ago(5);
        assert!(said(&tasks).is_empty());
    }

    #[test]
    fn it_says_when_the_next_attempt_starts() {
        let mut tasks = attempts(&[0, 0, 0]);
        newest(&mut tasks).restart_time = sample::ago(-8);
        let words = format!("crash loop, attempt 4 in 8 seconds: {BOOM}");
        assert_eq!(said(&tasks), [words]);
        newest(&mut tasks).restart_time = sample::ago(1);
        assert_eq!(said(&tasks), [format!("crash loop, attempt 4: {BOOM}")]);
        // Code 0 is no better if the task is made anew each time.
        let last = tasks[2].status.as_mut().unwrap();
        last.set_state(TaskState::Completed);
        (last.message, last.exit_code) = (String::new(), Some(0));
        assert_eq!(said(&tasks), ["crash loop, attempt 4: exited with code 0"]);
        // Without a node it is that which keeps it.
        tasks[3].status = sample::pending_task(4, 1).status;
        assert!(said(&tasks).is_empty());
    }

    #[test]
    fn the_last_attempt_is_said_to_be_that() {
        let mut task = sample::last_attempt(3, 1);
        assert_eq!(
            said(std::slice::from_ref(&task)),
            [format!("attempt 3 was the last: {BOOM}")]
        );
        // Another may follow what has just ended, and what it made room for.
        task.meta.as_mut().unwrap().update_time = sample::ago(0);
        assert!(said(std::slice::from_ref(&task)).is_empty());
        assert!(said(&[ended(3, 0)]).is_empty());
        task.status
            .as_mut()
            .unwrap()
            .set_state(TaskState::Completed);
        task.meta.as_mut().unwrap().update_time = sample::ago(60);
        assert!(said(&[task]).is_empty());
    }

    #[test]
    fn what_is_not_listed_is_asked_for_where_it_matters() {
        let tasks = attempts(&[0, 0, 0]);
        assert!(unknown(&tasks).is_empty());
        let service = sample::id("svc", 1);
        assert_eq!(unknown(&tasks[3..]), [service]);
        assert!(unknown(&tasks[..3]).is_empty());
        assert!(unknown(&attempts(&[0, 0])[2..]).is_empty());
        let words = words(&tasks[3..], &tasks[..3], sample::now());
        assert_eq!(words.len(), 1);
    }
}
