// SPDX-License-Identifier: Apache-2.0
//! Tasks in a table: for each slot the newest first, those before it below.

use std::time::SystemTime;

use prost_types::Timestamp;
use skep_sdk::Identified;
use skep_sdk::v1::port::Mode as PortMode;
use skep_sdk::v1::{Ref, Task, TaskState, TaskStatus};

use super::runs::runs_cell;
use super::{age, attempts};
use crate::output::human::{ago, cut, id, one_line};
use crate::output::listing::{Column, Listing, Row, hidden, shown};
use crate::output::words;
use crate::parse::publish::{format_ports, mode_of};
use crate::programs::Programs;

/// What stands before the name of a task that another has followed.
const EARLIER: &str = " \\_ ";

/// The reason of a task whose last try to get on its way failed: the next one follows.
const RETRYING: &str = "RETRYING";

const COLUMNS: [Column; 10] = [
    shown("ID", "ID"),
    shown("Name", "NAME"),
    shown("Image", "IMAGE"),
    shown("Node", "NODE"),
    shown("DesiredState", "DESIRED STATE"),
    shown("CurrentState", "CURRENT STATE"),
    shown("Error", "ERROR"),
    shown("Ports", "PORTS"),
    hidden("Service", "SERVICE"),
    hidden("Slot", "SLOT"),
];

/// How tasks are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    /// What they run.
    pub(crate) programs: &'a Programs,
    /// Attempts that came before those listed, and are not listed themselves.
    pub(crate) earlier: &'a [Task],
    /// The time.
    pub(crate) now: SystemTime,
    /// Show ids and errors whole.
    pub(crate) whole: bool,
    /// Show the names of nodes, not their ids.
    pub(crate) resolve: bool,
    /// Most characters of an error.
    pub(crate) error_width: usize,
}

/// Tasks by service and slot.
pub(crate) fn listing(mut tasks: Vec<Task>, look: &Look<'_>) -> Listing<Task> {
    tasks.sort_by_cached_key(|task| {
        let made = task.meta.as_ref().map_or(0, |meta| meta.create_revision);
        (
            place(task),
            std::cmp::Reverse((made, task.attempt)),
            task.id().to_owned(),
        )
    });
    let words: Vec<Option<String>> = (0..tasks.len())
        .map(|at| attempts::words(&tasks[at], before(&tasks[at..], look), look.now))
        .collect();
    let mut rows = Vec::with_capacity(tasks.len());
    let mut last = None;
    for (task, words) in tasks.into_iter().zip(words) {
        let here = place(&task);
        let is_earlier = last.as_ref() == Some(&here);
        last = Some(here);
        rows.push(row(task, words, is_earlier, look));
    }
    Listing {
        columns: &COLUMNS,
        rows,
        min_width: 0,
    }
}

/// The attempt before the first of these tasks, which are in order: one of them, or one of those
/// that are not listed.
fn before<'a>(tasks: &'a [Task], look: &Look<'a>) -> Option<&'a Task> {
    let here = place(&tasks[0]);
    let is_before = |task: &&Task| place(task) == here && task.attempt < tasks[0].attempt;
    let more = look.earlier.iter().filter(is_before);
    tasks
        .get(1)
        .filter(is_before)
        .or_else(|| more.max_by_key(|task| task.attempt))
}

/// Where tasks follow one another: a slot of a service, or with one task a node the node.
pub(super) fn place(task: &Task) -> (String, u32, String) {
    let service = task.service.as_ref();
    let service = service.map_or_else(String::new, |s| format!("{}/{}", s.name, s.id));
    let node = if task.slot == 0 {
        task.name.clone()
    } else {
        String::new()
    };
    (service, task.slot, node)
}

fn row(object: Task, words: Option<String>, is_earlier: bool, look: &Look<'_>) -> Row<Task> {
    let status = object.status.clone().unwrap_or_default();
    let state = words::task_now(&status);
    let since = ago(age(since(&object, &status), look.now));
    let node = object
        .node
        .as_ref()
        .map_or_else(String::new, |node| node_word(node, look));
    let name = if is_earlier {
        format!("{EARLIER}{}", object.name)
    } else {
        object.name.clone()
    };
    let host_ports: Vec<_> = status
        .ports
        .iter()
        .filter(|port| mode_of(port) == PortMode::Host)
        .cloned()
        .collect();
    let service = object
        .service
        .as_ref()
        .map_or_else(String::new, |s| s.name.clone());
    let cells = vec![
        id(object.id(), look.whole),
        name,
        runs_cell(&look.programs.of(&object), look.whole),
        node,
        words::task_state(object.desired_state()).to_owned(),
        format!("{state} {since}"),
        error(&words.unwrap_or_else(|| trouble(&status)), look),
        format_ports(&host_ports),
        service,
        object.slot.to_string(),
    ];
    Row {
        id: object.id().to_owned(),
        object,
        cells,
    }
}

/// Since when it is where it is. That a task is being stopped is no state of its own: it is the
/// last that changed about it.
fn since<'a>(task: &'a Task, status: &'a TaskStatus) -> Option<&'a Timestamp> {
    let is_state = words::task_now(status) == words::task_state(status.state());
    match task.meta.as_ref().filter(|_| !is_state) {
        Some(meta) => meta.update_time.as_ref(),
        None => status.transition_time.as_ref(),
    }
}

fn node_word(node: &Ref, look: &Look<'_>) -> String {
    if look.resolve && !node.name.is_empty() {
        node.name.clone()
    } else {
        id(&node.id, look.whole)
    }
}

/// What went wrong, in quotes, on one line.
fn error(trouble: &str, look: &Look<'_>) -> String {
    let text = one_line(trouble);
    if text.is_empty() {
        return text;
    }
    let text = if look.whole {
        text
    } else {
        cut(&text, look.error_width)
    };
    format!("\"{text}\"")
}

/// What is wrong with a task, in words; nothing if nothing is.
pub(crate) fn trouble(status: &TaskStatus) -> String {
    match status.state() {
        TaskState::Pending => status
            .unplaced
            .as_ref()
            .map_or_else(String::new, words::unplaced),
        TaskState::Failed | TaskState::Rejected | TaskState::Orphaned => failure(status),
        state if state < TaskState::Running && status.reason == RETRYING => status.message.clone(),
        // Any other word on a task that is still on its way says how far it is.
        _ => String::new(),
    }
}

/// How a task ended, in words: those of its node, if it sent some.
pub(super) fn failure(status: &TaskStatus) -> String {
    if !status.message.is_empty() {
        return status.message.clone();
    }
    match (status.signal, status.exit_code) {
        (0, None) => status.reason.to_lowercase().replace('_', " "),
        (0, Some(0)) => "exited with code 0".to_owned(),
        (0, Some(code)) => format!("task: non-zero exit ({code})"),
        (signal, _) => format!("task: ended by signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ListFlags;
    use crate::output::format::Format;
    use crate::sample;

    fn tasks() -> Vec<Task> {
        let mut crashed = sample::task_in(2, 1, TaskState::Failed, "task: non-zero exit (3)\nboom");
        crashed.meta.get_or_insert_default().create_revision = 11;
        let mut complete = sample::task_in(3, 1, TaskState::Completed, "");
        complete.meta.get_or_insert_default().create_revision = 10;
        let mut host = sample::task(5, 3);
        host.status.get_or_insert_default().ports = vec![sample::host_port(9_100, 9_100)];
        let mut global = sample::task(6, 0);
        global.name = "agent.node-1".into();
        global.service = Some(Ref {
            id: sample::id("svc", 2),
            name: "agent".into(),
        });
        let mut pending = sample::pending_task(4, 2);
        pending.image = format!("example.com/team/web:1.2@sha256:{}", "0".repeat(64));
        let mut draining = sample::task(7, 4);
        draining.set_desired_state(TaskState::Stopped);
        draining.status.get_or_insert_default().reason = "DRAINING".into();
        draining.meta.get_or_insert_default().update_time = sample::ago(2);
        let mut looping = sample::looping(11, 5);
        looping.push(sample::last_attempt(15, 6));
        let mut tasks = vec![crashed, pending, sample::task(1, 1), global, host, complete];
        tasks.push(draining);
        tasks.extend(looping);
        tasks
    }

    fn table(look: &Look<'_>) -> String {
        let flags = ListFlags {
            quiet: false,
            filter: vec![],
            format: Format::Table,
            no_trunc: false,
        };
        listing(tasks(), look).render(&flags).unwrap()
    }

    #[test]
    fn tasks_are_listed_by_slot_with_their_history() {
        let programs = Programs::of_samples();
        let look = Look {
            programs: &programs,
            earlier: &[],
            now: sample::now(),
            whole: false,
            resolve: true,
            error_width: 50,
        };
        crate::golden::check("service-ps.txt", &table(&look));
        let look = Look {
            whole: true,
            resolve: false,
            ..look
        };
        crate::golden::check("service-ps-no-trunc.txt", &table(&look));
    }

    #[test]
    fn trouble_has_words_even_if_the_node_sent_none() {
        let status = |state: TaskState, exit_code, signal, reason: &str| TaskStatus {
            state: state.into(),
            exit_code,
            signal,
            reason: reason.into(),
            ..TaskStatus::default()
        };
        let on_its_way = |reason: &str, message: &str| TaskStatus {
            message: message.into(),
            ..status(TaskState::Preparing, None, 0, reason)
        };
        let failed = TaskState::Failed;
        for (status, words) in [
            (
                status(failed, Some(3), 0, "EXITED"),
                "task: non-zero exit (3)",
            ),
            (
                status(failed, Some(137), 9, "OOM_KILLED"),
                "task: ended by signal 9",
            ),
            (
                status(TaskState::Rejected, None, 0, "START_FAILED"),
                "start failed",
            ),
            (status(TaskState::Running, None, 0, ""), ""),
            (on_its_way("PULLING", "3 of 4 MB"), ""),
            (on_its_way("RETRYING", "no such host"), "no such host"),
            (status(TaskState::Completed, Some(0), 0, "EXITED"), ""),
        ] {
            assert_eq!(trouble(&status), words);
        }
    }
}
