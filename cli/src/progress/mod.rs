// SPDX-License-Identifier: Apache-2.0
//! Following a change until it is done: bars on a terminal, milestones on a pipe, objects for
//! programs, all on standard error.

mod bars;
mod ends;
mod follow;
mod json;
mod milestones;
mod picture;

use std::io::IsTerminal;

use skep_sdk::v1::Service;
use skep_sdk::{Client, Code, Error, Identified, Object, View};

use crate::args::{ConvergeFlags, ProgressWord};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::notice;
use crate::parse::duration::format_duration;

use bars::Bars;
use follow::Phase;
use milestones::Milestones;
use picture::Picture;

pub(crate) use follow::Goal;

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
    Json(json::Lines),
    Nothing,
}

impl Display {
    fn new(flags: &ConvergeFlags, goal: Goal, subject: &Subject) -> Self {
        let word = match flags.wait.progress {
            _ if flags.wait.quiet => ProgressWord::None,
            Some(word) => word,
            None if std::io::stderr().is_terminal() => ProgressWord::Tty,
            None => ProgressWord::Plain,
        };
        let revision = subject.revision;
        match word {
            ProgressWord::Tty => Self::Bars(Bars::new(goal, revision, settling(flags))),
            ProgressWord::Plain => Self::Lines(Milestones::new(goal, revision, settling(flags))),
            ProgressWord::Json => {
                Self::Json(json::Lines::new(subject.name.clone(), goal, revision))
            }
            ProgressWord::None => Self::Nothing,
        }
    }

    fn show(&mut self, view: &View<Object>, phase: Phase) {
        match self {
            Self::Bars(bars) => bars.show(view, phase),
            Self::Lines(milestones) => {
                let lines = milestones.feed(view, phase);
                lines.iter().for_each(|line| notice(line));
            }
            Self::Json(lines) => {
                let line = lines.feed(view, phase);
                line.iter().for_each(|line| notice(line));
            }
            Self::Nothing => {}
        }
    }

    /// Leaves what is shown as it is, and says how it ended.
    fn end(&mut self, outcome: &Result<String, Failure>) {
        if let Self::Bars(bars) = self {
            bars.end();
        }
        match (&self, outcome) {
            (Self::Json(lines), Ok(words)) => notice(&lines.end(Exit::Done.code(), words)),
            (Self::Json(lines), Err(failure)) => {
                notice(&lines.end(failure.code(), &failure.text("", "")));
            }
            (Self::Bars(_) | Self::Lines(_), Ok(words)) => notice(words),
            (Self::Bars(_) | Self::Lines(_), Err(_)) | (Self::Nothing, _) => {}
        }
    }
}

/// Waits until a service, as the answer of a change showed it, has converged.
pub(crate) async fn converge(
    client: &Client,
    service: &Service,
    revision: u64,
    flags: &ConvergeFlags,
) -> Result<(), Failure> {
    let spec_revision = service.meta.as_ref().map_or(0, |meta| meta.spec_revision);
    let goal = Goal::Converged { spec_revision };
    follow(client, &Subject::new(service, revision), goal, flags).await
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
    let mut display = Display::new(flags, goal, subject);
    let mut view = View::default();
    let waited = {
        let observe = |view: &View<Object>, phase| display.show(view, phase);
        let wait = follow::follow(client, &subject.id, goal, flags, &mut view, observe);
        tokio::select! {
            waited = wait => Some(waited),
            _ = tokio::signal::ctrl_c() => None,
        }
    };
    let outcome = match waited {
        None => Err(interrupted(subject, goal)),
        Some(Ok(())) => Ok(reached(subject, goal)),
        Some(Err(error)) => {
            let ended = ends::failure(subject, flags, error, &view);
            Err(ended.unwrap_or_else(|error| lost(subject, error)))
        }
    };
    display.end(&outcome);
    outcome.map(|_| ())
}

/// What is said of a goal that is reached.
fn reached(subject: &Subject, goal: Goal) -> String {
    let done = match goal {
        Goal::Deleted => "removed",
        Goal::Converged { .. } => "converged",
    };
    format!("verify: Service {} {done}", subject.name)
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

/// The wait itself failed: the change stands all the same.
fn lost(subject: &Subject, error: Error) -> Failure {
    notice(&format!(
        "The change of {} was made, but its progress cannot be seen.",
        subject.name
    ));
    // Managers that cannot serve end a wait only when its time is over.
    if error.code == Code::Unavailable && !error.is_local() {
        return Failure::plain(Exit::TimedOut, &error.message);
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use skep_sdk::WatchEvent;
    use skep_sdk::v1::rollout::State;

    use super::picture::tests::view;
    use super::*;
    use crate::sample;
    use skep_sdk::Status;

    const GOAL: Goal = Goal::Converged { spec_revision: 12 };

    #[test]
    fn a_goal_that_is_reached_is_said() {
        let subject = Subject::new(&sample::service(), 12);
        assert_eq!(reached(&subject, GOAL), "verify: Service web converged");
        assert_eq!(
            reached(&subject, Goal::Deleted),
            "verify: Service web removed"
        );
    }

    /// What is said of a change of three tasks, one after the other, until it is done.
    fn told(rollout: State) -> String {
        let flags = ConvergeFlags::default();
        let subject = Subject::new(&sample::service(), 12);
        let mut milestones = Milestones::new(GOAL, 12, settling(&flags));
        let mut lines = Vec::new();
        for updated in 0..=3 {
            let mut service = sample::service();
            let status = service.status.as_mut().unwrap();
            status.updated_tasks = updated;
            status.rollout.get_or_insert_default().set_state(rollout);
            let mut seen = view(&[]);
            seen.apply(WatchEvent::Changed(Object::Service(service)));
            let is_done = updated == 3;
            let phase = if is_done {
                Phase::Settling
            } else {
                Phase::Moving
            };
            lines.extend(milestones.feed(&seen, phase));
        }
        lines.push(reached(&subject, GOAL));
        lines.join("\n") + "\n"
    }

    #[test]
    fn a_change_is_told_in_dockers_words() {
        crate::golden::check("progress-update.txt", &told(State::Updating));
        crate::golden::check("progress-rollback.txt", &told(State::RollingBack));
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

    #[test]
    fn managers_that_cannot_serve_end_a_wait_as_its_time_does() {
        let subject = Subject::new(&sample::service(), 12);
        for (code, reason, exit) in [
            (Code::Unavailable, "NO_QUORUM", 124),
            // No server said this: there is none.
            (Code::Unavailable, "", 3),
            (Code::Internal, "INTERNAL", 1),
        ] {
            let mut error = Error::from(Status::new(code, "it is so"));
            error.reason = reason.to_owned();
            let failure = lost(&subject, error);
            assert_eq!(failure.code(), exit, "{code:?} {reason}");
            let text = failure.text("service create", "");
            assert!(text.starts_with("Error: it is so"), "{text}");
        }
    }
}
