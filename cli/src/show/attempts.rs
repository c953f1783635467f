// SPDX-License-Identifier: Apache-2.0
//! What is to be said of a task because of the attempts before it: that they are a crash loop, or
//! that none is left.

use std::collections::BTreeMap;
use std::time::SystemTime;

use skep_sdk::v1::{Task, TaskState, TaskStatus};

use super::ahead;
use super::task::{failure, place, trouble};
use crate::output::human::{coming, one_line};

/// Ids of the services of which an attempt before these tasks has to be known to say how it ended,
/// and is not among them.
pub(crate) fn unknown(tasks: &[Task]) -> Vec<String> {
    let mut places: BTreeMap<_, Vec<&Task>> = BTreeMap::new();
    for task in tasks {
        places.entry(place(task)).or_default().push(task);
    }
    let alone = places.into_values().filter_map(|tasks| match tasks[..] {
        [task] if task.crash_loop && !has_ended(task) => Some(task),
        _ => None,
    });
    let mut services: Vec<String> = alone
        .filter_map(|task| Some(task.service.as_ref()?.id.clone()))
        .collect();
    services.dedup();
    services
}

/// What is to be said of a task besides how it ended itself; nothing: nothing is. `before` is the
/// attempt before it in its place, if that is remembered.
pub(super) fn words(task: &Task, before: Option<&Task>, now: SystemTime) -> Option<String> {
    let status = task.status.clone().unwrap_or_default();
    let attempt = task.attempt;
    if task.gave_up {
        return Some(with_end(&format!("attempt {attempt} was the last"), task));
    }
    // What keeps it from running now comes first.
    if !task.crash_loop || (!has_ended(task) && !trouble(&status).is_empty()) {
        return None;
    }
    let words = format!("crash loop, attempt {attempt}{}", next(&status, now));
    let ended = Some(task).filter(|task| has_ended(task)).or(before);
    Some(ended.map_or(words.clone(), |ended| with_end(&words, ended)))
}

/// When it starts, if that is still to come.
fn next(status: &TaskStatus, now: SystemTime) -> String {
    match &status.restart_time {
        Some(time) if !ahead(time, now).is_zero() => format!(" {}", coming(ahead(time, now))),
        _ => String::new(),
    }
}

fn has_ended(task: &Task) -> bool {
    task.status
        .as_ref()
        .is_some_and(|status| status.state() > TaskState::Running)
}

/// The words, and how an attempt ended.
fn with_end(words: &str, ended: &Task) -> String {
    let status = ended.status.clone().unwrap_or_default();
    format!("{words}: {}", one_line(&failure(&status)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const BOOM: &str = "exited with code 3; last output: boom";

    fn said(tasks: &[Task]) -> Option<String> {
        let (newest, earlier) = tasks.split_last().unwrap();
        words(newest, earlier.last(), sample::now())
    }

    fn newest(tasks: &mut [Task]) -> &mut Task {
        tasks.last_mut().unwrap()
    }

    #[test]
    fn a_crash_loop_is_named_with_its_last_end_and_its_next_attempt() {
        let mut tasks = sample::looping(1, 1);
        let soon = format!("crash loop, attempt 4 in 8 seconds: {BOOM}");
        assert_eq!(said(&tasks), Some(soon));
        let status = newest(&mut tasks).status.as_mut().unwrap();
        status.restart_time = sample::ago(1);
        let looping = format!("crash loop, attempt 4: {BOOM}");
        assert_eq!(said(&tasks), Some(looping));
        // Attempts that are forgotten can say nothing.
        let alone = "crash loop, attempt 4".to_owned();
        assert_eq!(said(&tasks[3..]), Some(alone));
        // Code 0 is no better if the task is made anew each time.
        let last = tasks[2].status.as_mut().unwrap();
        last.set_state(TaskState::Completed);
        (last.message, last.exit_code) = (String::new(), Some(0));
        let zero = "crash loop, attempt 4: exited with code 0".to_owned();
        assert_eq!(said(&tasks), Some(zero));
        // What has just ended itself is the last.
        newest(&mut tasks).status = sample::failed_attempt(4, 1, 4, 1).status;
        assert_eq!(said(&tasks), Some(format!("crash loop, attempt 4: {BOOM}")));
        // Without a node it is that which keeps it.
        newest(&mut tasks).status = sample::pending_task(4, 1).status;
        assert_eq!(said(&tasks), None);
        newest(&mut tasks).crash_loop = false;
        newest(&mut tasks).status = sample::task(4, 1).status;
        assert_eq!(said(&tasks), None);
    }

    #[test]
    fn the_last_attempt_is_said_to_be_that() {
        let mut task = sample::last_attempt(3, 1);
        let last = format!("attempt 3 was the last: {BOOM}");
        assert_eq!(said(std::slice::from_ref(&task)), Some(last));
        task.gave_up = false;
        assert_eq!(said(&[task]), None);
    }

    #[test]
    fn what_is_not_listed_is_asked_for_where_it_matters() {
        let tasks = sample::looping(1, 1);
        assert!(unknown(&tasks).is_empty());
        assert_eq!(unknown(&tasks[3..]), [sample::id("svc", 1)]);
        assert!(unknown(&tasks[..1]).is_empty());
        assert!(unknown(&[sample::last_attempt(3, 1)]).is_empty());
    }
}
