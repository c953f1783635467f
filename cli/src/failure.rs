// SPDX-License-Identifier: Apache-2.0
//! How the program fails: the words and the exit code of everything that can go wrong.

use skep_sdk::v1::ErrorReason;
use skep_sdk::{Code, Error};

use crate::exit::Exit;
use crate::flags::flag_of;

/// A failure.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Of a call, or without a connection.
    Sdk(Box<Error>),
    /// Of any other kind.
    Plain {
        /// How the program ends.
        exit: Exit,
        /// What to say.
        message: String,
    },
    /// Several, of a command that does several things.
    Several(Vec<Failure>),
}

impl Failure {
    /// It ends so, and says this.
    pub(crate) fn plain(exit: Exit, message: impl Into<String>) -> Self {
        Self::Plain {
            exit,
            message: message.into(),
        }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::plain(Exit::Usage, message)
    }

    /// It cannot be done.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::plain(Exit::Refused, message)
    }

    /// The user does not want to wait.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self::plain(Exit::Interrupted, message)
    }

    /// All failures of a command as one; none is a success.
    pub(crate) fn all(mut failures: Vec<Self>) -> Result<(), Self> {
        match failures.len() {
            0 => Ok(()),
            1 => Err(failures.remove(0)),
            _ => Err(Self::Several(failures)),
        }
    }

    /// The failures this is made of.
    pub(crate) fn parts(self) -> Vec<Self> {
        match self {
            Self::Several(parts) => parts.into_iter().flat_map(Self::parts).collect(),
            one => vec![one],
        }
    }

    /// Whether the user does not want to wait.
    pub(crate) fn is_interrupt(&self) -> bool {
        matches!(
            self,
            Self::Plain {
                exit: Exit::Interrupted,
                ..
            }
        )
    }

    /// Whether a call failed for this reason.
    pub(crate) fn is(&self, reason: ErrorReason) -> bool {
        matches!(self, Self::Sdk(error) if error.is(reason))
    }

    /// The failed call, if it is one.
    pub(crate) fn call(&self) -> Option<&Error> {
        match self {
            Self::Sdk(error) => Some(error),
            _ => None,
        }
    }

    /// The exit code; of several that of the first.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Plain { exit, .. } => exit.code(),
            Self::Several(parts) => parts.first().map_or(Exit::Refused.code(), Self::code),
            Self::Sdk(error) => exit_of(error).code(),
        }
    }

    /// What to say, with the cure. `command` is the one that failed, such as `service create`;
    /// `more` follows the first line's message.
    pub(crate) fn text(&self, command: &str, more: &str) -> String {
        match self {
            Self::Plain {
                exit: Exit::Interrupted,
                message,
            } => message.clone(),
            Self::Plain { message, .. } => format!("Error: {message}{more}"),
            Self::Several(parts) => {
                let texts: Vec<String> = parts.iter().map(|p| p.text(command, more)).collect();
                texts.join("\n")
            }
            Self::Sdk(error) => call_text(error, command, more),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Sdk(Box::new(error))
    }
}

/// The exit code of a call that failed, or that could not be made.
fn exit_of(error: &Error) -> Exit {
    match error.code {
        Code::Unavailable | Code::PermissionDenied if error.is_local() => Exit::NoDaemon,
        Code::InvalidArgument if error.is_local() => Exit::Usage,
        Code::DeadlineExceeded => Exit::TimedOut,
        _ => Exit::Refused,
    }
}

/// A call's message, then each bad field on a line of its own, then what to do.
fn call_text(call: &Error, command: &str, more: &str) -> String {
    let message = if call.message.is_empty() {
        call.code.description()
    } else {
        call.message.as_str()
    };
    let mut text = format!("Error: {message}{more}");
    for violation in &call.violations {
        let flag = flag_of(command, &violation.field);
        let flag = flag.map_or_else(String::new, |flag| format!(" ({flag})"));
        text.push_str(&format!(
            "\n  {}{flag}: {}",
            violation.field, violation.description
        ));
    }
    if let Some(cure) = call_cure(call) {
        text.push('\n');
        text.push_str(&cure);
    }
    text
}

/// What someone at a command line can do about it, beyond what the message says.
fn call_cure(call: &Error) -> Option<String> {
    if call.is_local() {
        return local_cure(call.code).map(str::to_owned);
    }
    let fact = |key: &str| {
        call.metadata
            .get(key)
            .map(String::as_str)
            .unwrap_or_default()
    };
    if call.is(ErrorReason::AmbiguousReference) && !fact("candidates").is_empty() {
        return Some(format!("Candidates: {}", fact("candidates")));
    }
    if call.is(ErrorReason::WrongSwarmState) && fact("state").contains("OUTSIDE") {
        return Some("Found a swarm with `skep swarm init`.".to_owned());
    }
    let is_forced = [ErrorReason::NodeNotDown, ErrorReason::QuorumAtRisk];
    if is_forced.iter().any(|reason| call.is(*reason)) {
        return Some("To do it all the same, add --force.".to_owned());
    }
    None
}

/// The same where no server has said anything.
fn local_cure(code: Code) -> Option<&'static str> {
    match code {
        Code::Unavailable => Some(
            "Is it running? Start one with `skepd --dev`, or say where it is with --host or \
             SKEP_HOST.",
        ),
        Code::PermissionDenied => Some(
            "Run this as root, or join the group that owns the socket (often `skep`) and log in \
             again.",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_sdk::{FieldViolation, Status};

    fn call(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Failure {
        let metadata = metadata
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let mut error = Error::from(Status::new(code, "it is so"));
        (error.reason, error.metadata) = (reason.into(), metadata);
        error.into()
    }

    #[test]
    fn each_failure_has_its_exit_code() {
        for (failure, code) in [
            (Failure::usage("x"), 2),
            (call(Code::Unavailable, "", &[]), 3),
            (call(Code::PermissionDenied, "", &[]), 3),
            (call(Code::InvalidArgument, "", &[]), 2),
            (call(Code::DeadlineExceeded, "", &[]), 124),
            (call(Code::PermissionDenied, "ROLE_REQUIRED", &[]), 1),
            (call(Code::InvalidArgument, "INVALID_FIELD", &[]), 1),
            (call(Code::Unavailable, "NO_QUORUM", &[]), 1),
            (call(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", &[]), 124),
            (call(Code::AlreadyExists, "NAME_TAKEN", &[]), 1),
            (Failure::interrupted("x"), 130),
            (
                Failure::Several(vec![Failure::plain(Exit::Failed, "x"), Failure::usage("y")]),
                11,
            ),
        ] {
            assert_eq!(failure.code(), code, "{failure:?}");
        }
        assert!(Failure::all(vec![]).is_ok());
    }

    #[test]
    fn cures_follow_what_went_wrong() {
        for (failure, end) in [
            (
                call(Code::FailedPrecondition, "NODE_NOT_DOWN", &[]),
                "add --force.",
            ),
            (
                call(
                    Code::FailedPrecondition,
                    "WRONG_SWARM_STATE",
                    &[("state", "OUTSIDE")],
                ),
                "`skep swarm init`.",
            ),
            (
                call(
                    Code::InvalidArgument,
                    "AMBIGUOUS_REFERENCE",
                    &[("candidates", "svc_1")],
                ),
                "Candidates: svc_1",
            ),
            (
                call(Code::NotFound, "OBJECT_NOT_FOUND", &[]),
                "it is so; did you mean web?",
            ),
        ] {
            let text = failure.text("service rm", "; did you mean web?");
            assert!(text.starts_with("Error: it is so"), "{text}");
            assert!(text.ends_with(end), "{text}");
        }
    }

    #[test]
    fn a_missing_daemon_is_said_with_the_cure() {
        assert_eq!(
            call(Code::Unavailable, "", &[]).text("ps", ""),
            "Error: it is so\n\
             Is it running? Start one with `skepd --dev`, or say where it is with --host or SKEP_HOST."
        );
    }

    #[test]
    fn bad_fields_are_named_with_their_flags() {
        let mut error = Error::from(Status::invalid_argument("2 fields break their rules"));
        error.reason = "INVALID_FIELD".into();
        error.violations = vec![
            FieldViolation::new("spec.name", "must not begin with \"-\""),
            FieldViolation::new("spec.endpoint.ports[0].target", "must be 1 to 65535"),
            FieldViolation::new("spec.unknown", "is odd"),
        ];
        assert_eq!(
            Failure::from(error).text("service create", ""),
            "Error: 2 fields break their rules\n  \
             spec.name (--name): must not begin with \"-\"\n  \
             spec.endpoint.ports[0].target (--publish): must be 1 to 65535\n  \
             spec.unknown: is odd"
        );
    }
}
