// SPDX-License-Identifier: Apache-2.0
//! What can go wrong, in types: no daemon, or a call that was refused or failed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::v1::ErrorReason;

/// The domain of reasons that come from skep itself.
const DOMAIN: &str = "skep";

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection to a daemon.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A call was refused or failed.
    #[error(transparent)]
    Call(Box<CallError>),
}

impl Error {
    /// The failed call, if there was one.
    #[must_use]
    pub fn call(&self) -> Option<&CallError> {
        match self {
            Self::Connect(_) => None,
            Self::Call(call) => Some(call),
        }
    }

    /// Whether a call failed for this reason.
    #[must_use]
    pub fn is(&self, reason: ErrorReason) -> bool {
        self.call().is_some_and(|call| call.is(reason))
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        CallError::from(status).into()
    }
}

/// Why there is no connection. Each message names the cure or the place to look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No daemon listens at any of the addresses.
    #[error("no skep daemon answers at {}", join_tried(.tried))]
    NoDaemon {
        /// Each address and what came of it, in the order they were tried.
        tried: Vec<(String, String)>,
    },
    /// There is a socket, and this user may not use it.
    #[error("no permission to use {host}")]
    NoPermission {
        /// The address.
        host: String,
    },
    /// The path does not fit into a Unix socket address.
    #[error(
        "the path of the socket is {bytes} bytes long, over the 107 that the system allows: {}",
        .path.display()
    )]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// The address cannot be understood.
    #[error("bad host {host:?}: {why}")]
    BadHost {
        /// The address.
        host: String,
        /// What is wrong, and how to write it.
        why: String,
    },
    /// The configuration file is damaged or cannot be read.
    #[error("cannot read {}: {why}", .path.display())]
    BadConfig {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is no such context, or it names no host.
    #[error("there is no context {name:?} in the configuration{}", listed(.known))]
    UnknownContext {
        /// The name asked for.
        name: String,
        /// The contexts there are.
        known: Vec<String>,
    },
}

fn join_tried(tried: &[(String, String)]) -> String {
    let all: Vec<String> = tried
        .iter()
        .map(|(host, why)| format!("{host} ({why})"))
        .collect();
    all.join(" or ")
}

fn listed(known: &[String]) -> String {
    if known.is_empty() {
        String::new()
    } else {
        format!("; there is: {}", known.join(", "))
    }
}

/// One field that breaks its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field in the request: `spec.endpoint.ports[0].target`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub description: String,
}

/// A call that was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The canonical gRPC code.
    pub code: Code,
    /// The name of an [`ErrorReason`] less its prefix, such as `NAME_TAKEN`. Empty if the
    /// failure did not come from a server: there was no answer.
    pub reason: String,
    /// What the server says, for people.
    pub message: String,
    /// Facts for programs; the comment of each [`ErrorReason`] names its keys.
    pub metadata: BTreeMap<String, String>,
    /// Every field that breaks its rules, with INVALID_FIELD.
    pub violations: Vec<Violation>,
}

impl CallError {
    /// Whether this is the reason.
    #[must_use]
    pub fn is(&self, reason: ErrorReason) -> bool {
        reason.as_str_name().strip_prefix("ERROR_REASON_") == Some(self.reason.as_str())
    }

    /// Whether no server said this: the connection broke, or there was none.
    #[must_use]
    pub fn is_transport(&self) -> bool {
        self.reason.is_empty()
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let info = status
            .get_details_error_info()
            .filter(|info| info.domain == DOMAIN);
        let (reason, metadata) = match info {
            Some(info) => (info.reason, info.metadata.into_iter().collect()),
            None => (String::new(), BTreeMap::new()),
        };
        let request = status.get_details_bad_request();
        let violations = request
            .map(|request| request.field_violations)
            .unwrap_or_default();
        let violations = violations
            .into_iter()
            .map(|found| Violation {
                field: found.field,
                description: found.description,
            })
            .collect();
        Self {
            code: status.code(),
            reason,
            message: status.message().to_owned(),
            metadata,
            violations,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            f.write_str(self.code.description())?;
        } else {
            f.write_str(&self.message)?;
        }
        for Violation { field, description } in &self.violations {
            write!(f, "\n  {field}: {description}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    #[test]
    fn details_become_fields() {
        let mut details = ErrorDetails::with_error_info(
            "INVALID_FIELD",
            "skep",
            HashMap::from([("k".to_owned(), "v".to_owned())]),
        );
        details.set_bad_request(vec![FieldViolation::new("spec.name", "must not be empty")]);
        let status =
            Status::with_error_details(Code::InvalidArgument, "the request is bad", details);
        let error = Error::from(status);
        assert!(error.is(ErrorReason::InvalidField));
        assert!(!error.is(ErrorReason::NameTaken));
        let call = error.call().unwrap();
        assert_eq!(
            (call.code, call.is_transport()),
            (Code::InvalidArgument, false)
        );
        assert_eq!(call.metadata["k"], "v");
        assert_eq!(call.violations[0].field, "spec.name");
        assert_eq!(
            error.to_string(),
            "the request is bad\n  spec.name: must not be empty"
        );
    }

    #[test]
    fn an_error_without_our_details_is_no_answer_of_a_server() {
        let foreign = ErrorDetails::with_error_info("X", "example.com", HashMap::new());
        let status = Status::with_error_details(Code::Unavailable, "", foreign);
        let error = CallError::from(status);
        assert!(error.is_transport());
        assert_eq!(error.to_string(), Code::Unavailable.description());
    }
}
