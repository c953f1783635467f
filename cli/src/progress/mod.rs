// SPDX-License-Identifier: Apache-2.0
//! Following a change until it is done: bars on a terminal, milestones on a pipe, all on
//! standard error.

mod bars;
mod milestones;
mod picture;

use std::io::IsTerminal;

use skep_sdk::v1::Service;
use skep_sdk::{Client, Error, Failing, Goal, Identified, Outcome, Phase, Sight, Waited};

use crate::args::ConvergeFlags;
use crate::failure::Failure;
use crate::output::notice;
use crate::output::words;
use crate::parse::duration::format_duration;

use bars::Bars;
use milestones::Milestones;
use picture::Picture;

/// Most failures that an error quotes.
const MAX_QUOTED: usize = 3;

/// The service that is followed.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    id: String,
    name: String,
    /// The revision of the change: what failed before it does not count.
    revision: u64,
}

impl Subject {
    /// A service as the change's answer shows it.
    pub(crate) fn new(service: &Service, revision: u64) -> Self {
        let name = service
            .spec
            .as_ref()
            .map_or_else(String::new, |spec| spec.name.clone());
        Self {
            id: service.id().to_owned(),
            name,
            revision,
        }
    }
}

/// How progress is shown.
enum Display {
    Bars(Bars),
    Lines(Milestones),
    Nothing,
}

impl Display {
    fn new(flags: &ConvergeFlags, goal: Goal, revision: u64) -> Self {
        if flags.wait.quiet {
            Self::Nothing
        } else if std::io::stderr().is_terminal() {
            Self::Bars(Bars::new(goal, revision, settling(flags)))
        } else {
            Self::Lines(Milestones::new(goal, revision, settling(flags)))
        }
    }

    fn show(&mut self, sight: &Sight, phase: Phase) {
        match self {
            Self::Bars(bars) => bars.show(sight, phase),
            Self::Lines(milestones) => {
                let lines = milestones.feed(sight, phase);
                lines.iter().for_each(|line| notice(line));
            }
            Self::Nothing => {}
        }
    }

    /// Leaves what is shown as it is.
    fn end(&mut self) {
        if let Self::Bars(bars) = self {
            bars.end();
        }
    }
}

/// Waits for a goal as the flags say. Anything but the goal is a failure with its exit code.
pub(crate) async fn follow(
    client: &Client,
    subject: &Subject,
    goal: Goal,
    flags: &ConvergeFlags,
) -> Result<(), Failure> {
    if flags.wait.detach {
        return Ok(());
    }
    let mut display = Display::new(flags, goal, subject.revision);
    let waited = {
        let wait = client.wait(&subject.id, goal, flags.options(), |sight, phase| {
            display.show(sight, phase);
        });
        tokio::select! {
            waited = wait => Some(waited),
            _ = tokio::signal::ctrl_c() => None,
        }
    };
    display.end();
    let Some(waited) = waited else {
        return Err(interrupted(subject, goal));
    };
    let waited = waited.map_err(|error| lost(subject, error))?;
    let words = conclude(subject, goal, flags, &waited)?;
    if !flags.wait.quiet {
        notice(&words);
    }
    Ok(())
}

/// The milestone of a service whose tasks all run.
fn settling(flags: &ConvergeFlags) -> String {
    format!(
        "verify: all tasks are as wanted; watching for {} that they stay so",
        format_duration(flags.stable_for)
    )
}

/// What an interrupt says: Docker's words.
fn interrupted(subject: &Subject, goal: Goal) -> Failure {
    let check = match goal {
        Goal::Deleted => format!("Use `skep task ls --filter service={}`", subject.name),
        Goal::Converged { .. } => format!("Use `skep service ps {}`", subject.name),
    };
    Failure::interrupted(format!(
        "Operation continues in background.\n{check} to check progress."
    ))
}

/// The watch itself failed: the change stands all the same.
fn lost(subject: &Subject, error: Error) -> Failure {
    notice(&format!(
        "The change of {} was made, but its progress cannot be seen.",
        subject.name
    ));
    error.into()
}

/// What the end of a wait says: words for a good one, a failure for any other.
fn conclude(
    subject: &Subject,
    goal: Goal,
    flags: &ConvergeFlags,
    waited: &Waited,
) -> Result<String, Failure> {
    let name = &subject.name;
    match (&waited.outcome, goal) {
        (Outcome::Deleted, Goal::Deleted) => Ok(format!("verify: Service {name} removed")),
        (Outcome::Deleted, Goal::Converged { .. }) => Err(Failure::refused(format!(
            "service {name} was removed meanwhile"
        ))),
        (Outcome::Converged, _) => Ok(format!("verify: Service {name} converged")),
        (Outcome::Stalled(condition), _) => {
            let why = match condition.message.as_str() {
                "" => condition.reason.to_lowercase().replace('_', " "),
                message => message.to_owned(),
            };
            let quoted = quoted(&waited.sight, subject.revision);
            let state = match condition.reason.as_str() {
                "ROLLOUT_PAUSED" | "ROLLBACK_PAUSED" => "is paused",
                "ROLLED_BACK" => "was rolled back",
                _ => "has failed",
            };
            let words = format!(
                "service {name} {state}, and nothing more happens by itself: {why}{quoted}\n\
                 Use `skep service logs {name}` to see what its tasks printed."
            );
            Err(Failure::stalled(&condition.reason, words))
        }
        (Outcome::CrashLoop(failing), _) => Err(crash_loop(subject, flags, failing)),
        (Outcome::TimedOut(unplaced), _) => {
            Err(timed_out(subject, goal, flags, &waited.sight, unplaced))
        }
    }
}

/// Tasks that fail over and over, in their own last words.
fn crash_loop(subject: &Subject, flags: &ConvergeFlags, failing: &[Failing]) -> Failure {
    let name = &subject.name;
    let tasks = words::count(u32::try_from(failing.len()).unwrap_or(u32::MAX), "task");
    let span = format_duration(flags.stable_for);
    let times = failing.iter().map(|failing| failing.times).min();
    let mut quotes: String = failing
        .iter()
        .take(MAX_QUOTED)
        .map(|failing| format!("\n  {}: {}", failing.task.name, picture::end(&failing.task)))
        .collect();
    if failing.len() > MAX_QUOTED {
        quotes += &format!("\n  and {} more", failing.len() - MAX_QUOTED);
    }
    Failure::failed(format!(
        "service {name} is in a crash loop: {tasks} ended {} times in a row without running \
         for {span}{quotes}\n\
         New attempts go on in background. Use `skep service logs {name}` to see what its tasks \
         printed, mend the cause or change it with `skep service update {name}`, or end it with \
         `skep service rm {name}`.",
        times.unwrap_or_default()
    ))
}

fn timed_out(
    subject: &Subject,
    goal: Goal,
    flags: &ConvergeFlags,
    sight: &Sight,
    unplaced: &[skep_sdk::v1::Unplaced],
) -> Failure {
    let (name, limit) = (&subject.name, format_duration(flags.wait.timeout));
    if goal == Goal::Deleted {
        return Failure::timed_out(format!(
            "service {name} is not gone after {limit}: {} still there. \
             The removal continues in background.",
            words::count(u32::try_from(sight.tasks.len()).unwrap_or(u32::MAX), "task")
        ));
    }
    if !unplaced.is_empty() {
        let causes: String = unplaced
            .iter()
            .map(|cause| format!("\n  {}", words::unplaced(cause)))
            .collect();
        return Failure::unplaceable(format!(
            "service {name} has tasks without a node after {limit}:{causes}\n\
             They start when a node fits; `skep service update` changes what they need."
        ));
    }
    Failure::timed_out(format!(
        "service {name} has not converged after {limit}{}\n\
         The work continues in background: `skep service ps {name}` shows it.",
        quoted(sight, subject.revision)
    ))
}

/// The last failures since the change, each task on a line. What a task repeats is said once.
fn quoted(sight: &Sight, revision: u64) -> String {
    let mut failures = picture::failures(sight, revision);
    failures.dedup();
    let skip = failures.len().saturating_sub(MAX_QUOTED);
    failures.drain(..skip);
    failures
        .iter()
        .map(|(name, words)| format!("\n  {name}: {words}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::WaitFlags;
    use crate::sample;
    use skep_sdk::v1::TaskState;
    use skep_sdk::v1::condition::Status as Truth;
    use std::time::Duration;

    const GOAL: Goal = Goal::Converged { spec_revision: 12 };

    fn conclusion(outcome: Outcome, goal: Goal) -> Result<String, (u8, String)> {
        let service = sample::service();
        let failed = sample::task_in(2, 1, TaskState::Failed, "task: non-zero exit (3)\nboom");
        let tasks = [(sample::id("tsk", 2), failed)].into();
        let sight = Sight {
            service: Some(service.clone()),
            tasks,
            revision: 40,
        };
        let flags = ConvergeFlags {
            wait: WaitFlags {
                detach: false,
                quiet: false,
                timeout: Duration::from_secs(600),
            },
            stable_for: Duration::from_secs(5),
        };
        let waited = Waited { outcome, sight };
        let words = conclude(&Subject::new(&service, 12), goal, &flags, &waited);
        words.map_err(|failure| (failure.code(), failure.text("service create", "")))
    }

    fn failing(state: TaskState, message: &str) -> Failing {
        Failing {
            times: 3,
            task: sample::task_in(2, 1, state, message),
        }
    }

    #[test]
    fn each_end_has_its_words_and_its_code() {
        assert_eq!(
            conclusion(Outcome::Converged, GOAL),
            Ok("verify: Service web converged".to_owned())
        );
        assert_eq!(
            conclusion(Outcome::Deleted, Goal::Deleted),
            Ok("verify: Service web removed".to_owned())
        );
        let stalled = sample::condition(
            "STALLED",
            Truth::True,
            "ATTEMPTS_EXHAUSTED",
            "web.1 failed 3 times",
        );
        let unplaced = sample::pending_task(4, 2).status.unwrap().unplaced.unwrap();
        for (outcome, goal, code, begin) in [
            (
                Outcome::Stalled(stalled),
                GOAL,
                11,
                "Error: service web has failed, and nothing more happens by itself: \
                 web.1 failed 3 times\n  web.1: task: non-zero exit (3) boom\nUse `skep service",
            ),
            (
                Outcome::Stalled(sample::condition(
                    "STALLED",
                    Truth::True,
                    "ROLLOUT_PAUSED",
                    "a task failed",
                )),
                GOAL,
                10,
                "Error: service web is paused, and nothing more happens by itself: a task",
            ),
            (
                Outcome::Stalled(sample::condition(
                    "STALLED",
                    Truth::True,
                    "ROLLED_BACK",
                    "a task failed",
                )),
                GOAL,
                12,
                "Error: service web was rolled back, and nothing more happens by itself: a task",
            ),
            (
                Outcome::CrashLoop(vec![failing(TaskState::Failed, "boom"); 5]),
                GOAL,
                11,
                "Error: service web is in a crash loop: 5 tasks ended 3 times in a row without \
                 running for 5s\n  web.1: boom\n  web.1: boom\n  web.1: boom\n  and 2 more\n\
                 New attempts go on in background.",
            ),
            (
                Outcome::CrashLoop(vec![failing(TaskState::Completed, "")]),
                GOAL,
                11,
                "Error: service web is in a crash loop: 1 task ended 3 times in a row without \
                 running for 5s\n  web.1: exited with code 0\nNew attempts go on",
            ),
            (
                Outcome::TimedOut(vec![]),
                GOAL,
                124,
                "Error: service web has not converged after 10m0s\n  web.1: task: non-zero",
            ),
            (
                Outcome::TimedOut(vec![unplaced]),
                GOAL,
                14,
                "Error: service web has tasks without a node after 10m0s:\n  \
                 no suitable node (needs 4096 MiB",
            ),
            (
                Outcome::TimedOut(vec![]),
                Goal::Deleted,
                124,
                "Error: service web is not gone after 10m0s: 1 task still there",
            ),
            (
                Outcome::Deleted,
                GOAL,
                1,
                "Error: service web was removed meanwhile",
            ),
        ] {
            let (found, text) = conclusion(outcome, goal).unwrap_err();
            assert_eq!(found, code, "{text}");
            assert!(text.starts_with(begin), "{text}");
        }
    }

    #[test]
    fn an_interrupt_says_that_the_work_goes_on() {
        let failure = interrupted(&Subject::new(&sample::service(), 12), GOAL);
        assert_eq!(failure.code(), 130);
        assert_eq!(
            failure.text("service create", ""),
            "Operation continues in background.\nUse `skep service ps web` to check progress."
        );
    }
}
