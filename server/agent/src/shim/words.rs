// SPDX-License-Identifier: Apache-2.0
//! How a start failed or a task ended, in words.

use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use skep_core::model::{Timestamp, signal};

use super::course::StopOrder;
use super::launch::{Failure, Stage};
use super::spec::Spec;
use super::sys::Ending;
use crate::executor::{ExecutorError, Exit, ExitCause, MESSAGE_CHARS};
use crate::logs::LastLines;

/// Why a process did not become its program.
pub(super) fn refused(failure: Failure, spec: &Spec) -> ExecutorError {
    let work = &spec.work;
    let said = said(failure.errno);
    match failure.stage {
        Stage::Exec => ExecutorError::refused("process.command[0]", exec_problem(failure, spec)),
        Stage::Dir if spec.own_dir() => ExecutorError::Supervisor(format!(
            "cannot enter the working directory made for the task: {said}"
        )),
        Stage::Dir => ExecutorError::refused("process.dir", format!("{}: {said}", work.dir)),
        Stage::Credentials => ExecutorError::refused(
            "process.user",
            format!(
                "cannot become user \"{}\" with its groups: {said}",
                work.user
            ),
        ),
        Stage::Ulimit => {
            let limit = work.ulimits.iter().nth(failure.detail as usize);
            let (name, problem) = limit.map_or((String::new(), said.clone()), |(name, limit)| {
                let (soft, hard) = (limit.soft, limit.hard);
                (
                    name.clone(),
                    format!("cannot be set to soft {soft}, hard {hard}: {said}"),
                )
            });
            ExecutorError::refused(format!("process.ulimits[\"{name}\"]"), problem)
        }
        Stage::Cgroup => ExecutorError::Supervisor(format!(
            "the process cannot enter the control group with its limits: {said}"
        )),
        Stage::Detach => {
            ExecutorError::Supervisor(format!("the process cannot be detached: {said}"))
        }
    }
}

fn exec_problem(failure: Failure, spec: &Spec) -> String {
    let program = spec.work.command.first().map_or("", String::as_str);
    let path = Path::new(program);
    match failure.errno {
        Errno::ENOENT if path.exists() => format!(
            "{program}: it exists, but the interpreter it needs (named in its first line, or the \
             loader of its libraries) does not"
        ),
        Errno::EACCES if path.is_dir() => format!("{program}: it is a directory"),
        Errno::EACCES if path.is_file() => {
            format!("{program}: permission denied: the task's user may not execute it")
        }
        Errno::ENOEXEC => format!(
            "{program}: neither a program for this machine nor a script that begins with \"#!\""
        ),
        Errno::E2BIG => {
            format!("{program}: command, arguments and environment are too long together")
        }
        errno => format!("{program}: {}", said(errno)),
    }
}

/// What the system says of an error, as a part of a sentence.
fn said(errno: Errno) -> String {
    let text = errno.desc();
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

/// How a task ended, from what its shim has seen.
pub(super) struct Seen {
    pub(super) ending: Ending,
    pub(super) order: Option<StopOrder>,
    /// It was still there when the grace was over.
    pub(super) killed: bool,
    /// Processes of it hang in the kernel.
    pub(super) left_some: bool,
    pub(super) oom_kills: u64,
}

/// The record of the end.
pub(super) fn exit(seen: &Seen, spec: &Spec, last: &LastLines, at: Timestamp) -> Exit {
    let (code, signal) = match seen.ending {
        Ending::Code(code) => (code, None),
        Ending::Signal(signal) => (128 + signal, Some(signal)),
    };
    let cause = match (seen.order, seen.oom_kills, code) {
        (Some(_), _, _) => ExitCause::Stopped,
        (None, 1.., 1..) => ExitCause::OutOfMemory,
        _ => ExitCause::Exited,
    };
    let mut message = cause_words(seen, cause, code, signal, spec);
    if seen.left_some {
        message.push_str("; some of its processes could not be killed");
    }
    // One that was stopped may have been so because it was not well.
    if cause == ExitCause::Stopped || code != 0 {
        message = last.behind(message, MESSAGE_CHARS);
    }
    Exit {
        cause,
        code: Some(code),
        signal,
        at,
        message,
    }
}

/// The record of a task that could not be started.
pub(crate) fn not_started(error: &ExecutorError, at: Timestamp) -> Exit {
    let (cause, message) = (ExitCause::NotStarted, error.to_string());
    Exit {
        cause,
        code: None,
        signal: None,
        at,
        message,
    }
}

/// The record of a task that was ordered to end before it was started.
pub(crate) fn stopped_before_start(at: Timestamp) -> Exit {
    let message = "stopped before it was started".to_owned();
    Exit {
        cause: ExitCause::Stopped,
        code: None,
        signal: None,
        at,
        message,
    }
}

fn cause_words(
    seen: &Seen,
    cause: ExitCause,
    code: i32,
    signal: Option<i32>,
    spec: &Spec,
) -> String {
    match (cause, seen.order, signal) {
        (_, Some(order), _) if seen.killed => format!(
            "killed: it did not end within {} of {}",
            span(order.grace),
            signal::name(order.signal)
        ),
        (_, Some(order), _) => format!("stopped with {}", signal::name(order.signal)),
        (ExitCause::OutOfMemory, ..) => format!(
            "killed because it used more memory than its limit of {} bytes",
            spec.work.limits.memory_bytes
        ),
        (_, _, Some(signal)) => format!("killed by signal {signal} ({})", signal::name(signal)),
        _ if code == 0 => String::new(),
        _ => format!("exited with code {code}"),
    }
}

/// "10 s", "1.5 s".
fn span(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::CgroupPlan;
    use crate::executor::{Limits, TaskWork, Ulimit};
    use crate::logs::LogLimits;

    fn spec() -> Spec {
        let work = TaskWork {
            command: vec!["/no/such".into()],
            dir: "/gone".into(),
            user: "ann".into(),
            ulimits: [("nofile".into(), Ulimit { soft: 5, hard: -1 })].into(),
            limits: Limits {
                memory_bytes: 4_194_304,
                ..Limits::default()
            },
            ..TaskWork::default()
        };
        let (cgroup, logs) = (CgroupPlan::default(), LogLimits::default());
        Spec {
            work,
            credentials: None,
            cgroup,
            logs,
        }
    }

    fn seen(ending: Ending) -> Seen {
        Seen {
            ending,
            order: None,
            killed: false,
            left_some: false,
            oom_kills: 0,
        }
    }

    fn stopped(ending: Ending, killed: bool) -> Seen {
        let grace = Duration::from_millis(1_500);
        Seen {
            order: Some(StopOrder {
                signal: 15,
                grace,
                ordered: 0,
            }),
            killed,
            ..seen(ending)
        }
    }

    fn told(seen: &Seen) -> (ExitCause, Option<i32>, Option<i32>, String) {
        let mut last = LastLines::default();
        last.push(b"one");
        last.push(b"two");
        let exit = exit(seen, &spec(), &last, Timestamp(5));
        (exit.cause, exit.code, exit.signal, exit.message)
    }

    #[test]
    fn endings_have_codes_and_words() {
        use ExitCause::{Exited, OutOfMemory, Stopped};
        assert_eq!(
            told(&seen(Ending::Code(0))),
            (Exited, Some(0), None, String::new())
        );
        let words = "exited with code 3; last output:\none\ntwo".to_owned();
        assert_eq!(told(&seen(Ending::Code(3))), (Exited, Some(3), None, words));
        let words = "killed by signal 11 (SIGSEGV); last output:\none\ntwo".to_owned();
        assert_eq!(
            told(&seen(Ending::Signal(11))),
            (Exited, Some(139), Some(11), words)
        );
        let words = "stopped with SIGTERM; last output:\none\ntwo".to_owned();
        let ended = stopped(Ending::Signal(15), false);
        assert_eq!(told(&ended), (Stopped, Some(143), Some(15), words));
        let words =
            "killed: it did not end within 1.5 s of SIGTERM; last output:\none\ntwo".to_owned();
        let ended = stopped(Ending::Signal(9), true);
        assert_eq!(told(&ended), (Stopped, Some(137), Some(9), words));
        let starved = Seen {
            oom_kills: 1,
            ..seen(Ending::Signal(9))
        };
        let (cause, code, _, words) = told(&starved);
        assert_eq!((cause, code), (OutOfMemory, Some(137)));
        assert!(words.starts_with("killed because it used more memory than its limit of 4194304"));
    }

    #[test]
    fn a_child_killed_for_memory_does_not_spoil_a_good_end() {
        let fine = Seen {
            oom_kills: 2,
            ..seen(Ending::Code(0))
        };
        assert_eq!(told(&fine).0, ExitCause::Exited);
    }

    #[test]
    fn messages_are_limited() {
        let mut last = LastLines::default();
        for _ in 0..1_000 {
            last.push(b"a line of output");
        }
        let message = exit(&seen(Ending::Code(1)), &spec(), &last, Timestamp(0)).message;
        assert!(message.chars().count() <= MESSAGE_CHARS);
        assert!(message.chars().count() > MESSAGE_CHARS - 40);
    }

    #[test]
    fn a_failed_start_names_the_field() {
        let told = |stage, errno| {
            refused(
                Failure {
                    stage,
                    detail: 0,
                    errno,
                },
                &spec(),
            )
            .to_string()
        };
        let want = "/no/such: no such file or directory (field process.command[0])";
        assert_eq!(told(Stage::Exec, Errno::ENOENT), want);
        let want = "/gone: no such file or directory (field process.dir)";
        assert_eq!(told(Stage::Dir, Errno::ENOENT), want);
        let want = "cannot be set to soft 5, hard -1: operation not permitted \
                    (field process.ulimits[\"nofile\"])";
        assert_eq!(told(Stage::Ulimit, Errno::EPERM), want);
        let want = "cannot become user \"ann\" with its groups: operation not permitted \
                    (field process.user)";
        assert_eq!(told(Stage::Credentials, Errno::EPERM), want);
    }
}
