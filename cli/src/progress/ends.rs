// SPDX-License-Identifier: Apache-2.0
//! How a wait ended badly: its exit code, its words and the cure.

use skep_sdk::v1::Unplaced;
use skep_sdk::{Error, Object, View};

use super::{Subject, picture};
use crate::args::ConvergeFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::human::one_line;
use crate::output::words;
use crate::parse::duration::format_duration;

/// Most tasks that an error quotes.
const MAX_QUOTED: usize = 3;

/// What a reason means to someone at a command line.
struct End {
    exit: Exit,
    /// What became of the service, after its name.
    state: &'static str,
    /// What to do about it.
    cure: String,
}

/// What the reason of a wait that ended badly means; none: the wait itself failed.
fn end_of(reason: &str, is_stalled: bool, name: &str) -> Option<End> {
    let rollback = format!("`skep service rollback {name}`");
    let resume = format!("`skep service resume {name}`");
    let update = format!("`skep service update {name} ...`");
    let ps = format!("`skep service ps {name}`");
    let logs = format!("`skep service logs {name}`");
    let (exit, state, cure) = match reason {
        "ROLLOUT_PAUSED" => (
            Exit::Paused,
            "has a roll-out that is paused",
            format!("Mend it with {update}, go on with {resume}, or go back with {rollback}."),
        ),
        "ROLLBACK_PAUSED" => (
            Exit::Paused,
            "has a roll-back that is paused",
            format!("Go on with {resume}, or mend it with {update}."),
        ),
        "NODE_PAUSED" => (
            Exit::Paused,
            "has a roll-out that waits for paused nodes",
            "Use `skep node update --availability active NODE`, or drain in place of active."
                .to_owned(),
        ),
        "ROLLED_BACK" => (
            Exit::RolledBack,
            "was rolled back",
            format!("Look at {ps} and {logs}, mend the cause, and change it again with {update}."),
        ),
        "CRASH_LOOP" => (
            Exit::Failed,
            "is in a crash loop",
            format!(
                "New attempts go on in background. Look at {logs}, mend the cause or change the \
                 service with {update}, or end it with `skep service rm {name}`."
            ),
        ),
        "ATTEMPTS_EXHAUSTED" => (
            Exit::Failed,
            "has failed, and nothing more happens by itself",
            format!("Look at {ps} and {logs}. `skep service update --force {name}` tries again."),
        ),
        "PORT_IN_USE" => (
            Exit::Failed,
            "is not reachable on every node",
            format!(
                "The node opens the port once it is free. `skep service update --publish-rm TARGET \
                 --publish-add PORT:TARGET {name}` publishes another."
            ),
        ),
        "UNPLACED" => (
            Exit::Unplaceable,
            "has tasks without a node",
            format!("They start when a node fits; {update} changes what they need."),
        ),
        "NOT_CONVERGED" => (
            Exit::TimedOut,
            "has not converged",
            format!("The work continues in background: {ps} shows it."),
        ),
        "NOT_DELETED" => (
            Exit::TimedOut,
            "is not gone",
            "The removal continues in background.".to_owned(),
        ),
        "OBJECT_NOT_FOUND" => (Exit::Refused, "was removed meanwhile", String::new()),
        _ if is_stalled => (
            Exit::Failed,
            "is not as wanted, and waiting longer does not help",
            format!("Look at {ps} and {logs}."),
        ),
        _ => return None,
    };
    Some(End { exit, state, cure })
}

/// The failure that a wait's error stands for, with what was last seen; else the error itself,
/// if the wait could not go on.
pub(super) fn failure(
    subject: &Subject,
    flags: &ConvergeFlags,
    error: Error,
    view: &View<Object>,
) -> Result<Failure, Error> {
    let is_stalled = error
        .metadata
        .get("condition")
        .is_some_and(|it| it == "STALLED");
    let Some(end) = end_of(&error.reason, is_stalled, &subject.name) else {
        return Err(error);
    };
    let limit = format_duration(flags.wait.timeout);
    let what = match error.reason.as_str() {
        "UNPLACED" => format!(" after {limit}:{}", lines(unplaced(view))),
        "NOT_CONVERGED" => {
            format!(
                " after {limit}: {}{}",
                error.message,
                lines(doing(subject, view))
            )
        }
        "NOT_DELETED" => format!(" after {limit}: {}", left(view)),
        "OBJECT_NOT_FOUND" => String::new(),
        // It quotes the task itself.
        "CRASH_LOOP" | "PORT_IN_USE" | "NODE_PAUSED" => format!(": {}", error.message),
        _ => {
            let why = match error.message.as_str() {
                "" => error.reason.to_lowercase().replace('_', " "),
                message => one_line(message),
            };
            let mut failed = failed(subject, view);
            // The reason often quotes the last of them.
            failed.retain(|(_, words)| words.is_empty() || !why.contains(words.as_str()));
            format!(": {why}{}", lines(failed.iter().map(line).collect()))
        }
    };
    let (name, state) = (&subject.name, end.state);
    let text = format!("service {name} {state}{what}\n{}", end.cure);
    Ok(Failure::plain(end.exit, text.trim_end()))
}

/// Each on a line of its own.
fn lines(texts: Vec<String>) -> String {
    texts.iter().map(|text| format!("\n  {text}")).collect()
}

fn left(view: &View<Object>) -> String {
    let left = u32::try_from(view.tasks().count()).unwrap_or(u32::MAX);
    format!("{} still there", words::count(left, "task"))
}

/// The last failures since the change. What a task repeats is said once.
fn failed(subject: &Subject, view: &View<Object>) -> Vec<(String, String)> {
    let mut failures = picture::failures(view, subject.revision);
    failures.dedup();
    let skip = failures.len().saturating_sub(MAX_QUOTED);
    failures.split_off(skip)
}

fn line((name, words): &(String, String)) -> String {
    format!("{name}: {words}")
}

/// What tasks that do not run yet are doing, then the last failures.
fn doing(subject: &Subject, view: &View<Object>) -> Vec<String> {
    let mut busy = picture::busy(view);
    if busy.len() > MAX_QUOTED {
        let more = busy.len() - MAX_QUOTED;
        busy.truncate(MAX_QUOTED);
        busy.push(format!("and {more} more"));
    }
    busy.extend(failed(subject, view).iter().map(line));
    busy
}

/// Why tasks have no node: those with the same causes once.
fn unplaced(view: &View<Object>) -> Vec<String> {
    let mut found: Vec<&Unplaced> = Vec::new();
    for task in view.tasks().filter(|task| picture::is_wanted(task)) {
        let unplaced = task
            .status
            .as_ref()
            .and_then(|status| status.unplaced.as_ref());
        if let Some(unplaced) = unplaced
            && !found.iter().any(|known| known.causes == unplaced.causes)
        {
            found.push(unplaced);
        }
    }
    found.into_iter().map(words::unplaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::picture::tests::{made_at, view};
    use crate::sample;
    use skep_sdk::v1::{Task, TaskState};
    use skep_sdk::{Code, Status};

    fn ended(reason: &str, message: &str, tasks: &[Task]) -> Result<(u8, String), Error> {
        let flags = ConvergeFlags::default();
        let mut error = Error::from(Status::new(Code::FailedPrecondition, message));
        error.reason = reason.to_owned();
        if reason.contains('_') && !reason.starts_with("NOT_") {
            error.metadata = [("condition".to_owned(), "STALLED".to_owned())].into();
        }
        let subject = Subject::new(&sample::service(), 12);
        let failure = failure(&subject, &flags, error, &view(tasks))?;
        Ok((failure.code(), failure.text("service create", "")))
    }

    #[test]
    fn each_end_has_its_words_and_its_code() {
        let boom = "task: non-zero exit (3)\nboom";
        let failed = made_at(13, sample::task_in(2, 1, TaskState::Failed, boom));
        let mut pulling = made_at(13, sample::task_in(5, 3, TaskState::Preparing, ""));
        let status = pulling.status.as_mut().unwrap();
        (status.reason, status.message) = ("PULLING".into(), "pulling nginx:1.27: 40%".into());
        let tasks = [failed, made_at(13, sample::pending_task(4, 2)), pulling];
        for (reason, code, begin, cure) in [
            (
                "ROLLOUT_PAUSED",
                10,
                "web has a roll-out that is paused: why\n  web.1: task: non-zero exit (3) boom\n",
                "`skep service rollback web`.",
            ),
            (
                "ROLLBACK_PAUSED",
                10,
                "web has a roll-back that is paused: why\n  web.1: ",
                "`skep service update web ...`.",
            ),
            (
                "NODE_PAUSED",
                10,
                "web has a roll-out that waits for paused nodes: why\nUse `skep node update",
                "drain in place of active.",
            ),
            (
                "ROLLED_BACK",
                12,
                "web was rolled back: why\n",
                "`skep service update web ...`.",
            ),
            (
                "ATTEMPTS_EXHAUSTED",
                11,
                "web has failed, and nothing more happens by itself: why\n  web.1: ",
                "`skep service update --force web` tries again.",
            ),
            (
                "CRASH_LOOP",
                11,
                "web is in a crash loop: why\nNew attempts go on",
                "`skep service rm web`.",
            ),
            (
                "PORT_IN_USE",
                11,
                "web is not reachable on every node: why\nThe node opens the port",
                "web` publishes another.",
            ),
            (
                "SOMETHING_NEW",
                11,
                "web is not as wanted, and waiting longer does not help: why\n",
                "`skep service logs web`.",
            ),
            (
                "UNPLACED",
                14,
                "web has tasks without a node after 10m0s:\n  no suitable node (needs 4096 MiB",
                "changes what they need.",
            ),
            (
                "NOT_CONVERGED",
                124,
                "web has not converged after 10m0s: why\n  web.2: pending: no suitable node",
                "`skep service ps web` shows it.",
            ),
            (
                "NOT_DELETED",
                124,
                "web is not gone after 10m0s: 3 tasks still there\n",
                "background.",
            ),
            (
                "OBJECT_NOT_FOUND",
                1,
                "web was removed meanwhile",
                "meanwhile",
            ),
        ] {
            let (found, text) = ended(reason, "why", &tasks).unwrap();
            assert_eq!(found, code, "{text}");
            let begin = format!("Error: service {begin}");
            assert!(
                text.starts_with(&begin) && text.ends_with(cure),
                "{reason}: {text}"
            );
        }
        let text = ended("NOT_CONVERGED", "why", &tasks).unwrap().1;
        assert!(
            text.contains("\n  web.3: preparing: pulling nginx:1.27: 40%\n"),
            "{text}"
        );
        // The watch failed: that is no end of the service.
        assert_eq!(
            ended("INTERNAL", "why", &tasks).unwrap_err().reason,
            "INTERNAL"
        );
    }
}
