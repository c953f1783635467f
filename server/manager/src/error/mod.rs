// SPDX-License-Identifier: Apache-2.0
//! Every way in which a call fails.

mod status;

use std::path::PathBuf;

use skep_core::admit::Rejection;
use skep_core::model::Revision;
use skep_core::wait::Ending;
use skep_proto::v1::ErrorReason;
use skep_wire::parse::Violation;
use tonic::Code;

use crate::cluster::ClusterError;
use crate::daemon::DaemonState;
use crate::layer::REQUEST_BYTES_MAX;

/// The domain of every reason.
pub const DOMAIN: &str = "skep";

/// Why a call fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Fields of the request break their rules.
    Invalid(Vec<Violation>),
    /// The request is no such message at all, and why.
    Unreadable(String),
    /// What is asked for may not be.
    Rejected(Rejection),
    /// The page token is damaged or from another query.
    BadPageToken,
    /// History up to this revision is gone.
    Compacted(Revision),
    /// The revision asked for was never made; this is the newest one.
    UnknownRevision(Revision),
    /// There is no leader, or it cannot be reached.
    NoQuorum,
    /// This manager cannot answer now, for this reason; another may, or this one later.
    NotReady(String),
    /// A limit of the server.
    Limit {
        /// What is limited, as a word for programs: `watches`, `request_bytes`.
        subject: &'static str,
        /// The limit.
        limit: u64,
        /// What to do about it.
        message: String,
    },
    /// The daemon is not in the state that the call needs.
    WrongSwarmState {
        /// The state it is in.
        state: DaemonState,
        /// What to do about it.
        message: String,
    },
    /// The managers would lose their quorum.
    QuorumAtRisk {
        /// How many there are.
        managers: usize,
        /// How many of them answer.
        reachable: usize,
    },
    /// The caller's role is not enough.
    RoleRequired {
        /// The role needed, less its prefix: `ADMIN`.
        role: &'static str,
        /// What to do about it.
        message: String,
    },
    /// This daemon does not have it.
    NotEnabled {
        /// What is missing.
        feature: String,
    },
    /// What was waited for did not come to pass.
    Waited(Ending),
    /// The server gave up waiting.
    DeadlineExceeded,
    /// A fault of the server, described in its log.
    Internal {
        /// What to look for in the log.
        trace: String,
    },
    /// The manager cannot write its log.
    StorageFailed {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: String,
    },
}

impl Failure {
    /// A fault of the server. What happened goes into the log, under the number that the caller
    /// is told.
    #[must_use]
    pub fn internal(what: &str) -> Failure {
        let trace = format!("{:016x}", rand::random::<u64>());
        tracing::error!(trace, what, "a call failed by a fault of the server");
        Failure::Internal { trace }
    }

    /// One bad field.
    #[must_use]
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Failure {
        Failure::Invalid(vec![Violation {
            field: field.into(),
            description: description.into(),
        }])
    }

    /// A request of more than [`REQUEST_BYTES_MAX`] bytes.
    #[must_use]
    pub fn too_large() -> Failure {
        Failure::Limit {
            subject: "request_bytes",
            limit: REQUEST_BYTES_MAX as u64,
            message: format!(
                "a request is at most {REQUEST_BYTES_MAX} bytes, and this one is longer; keep what \
                 is large in a file or an image, and name it in the spec"
            ),
        }
    }

    /// The reason, out of the contract's list.
    #[must_use]
    pub fn reason(&self) -> ErrorReason {
        match self {
            Failure::Invalid(_) | Failure::Unreadable(_) => ErrorReason::InvalidField,
            Failure::Rejected(rejection) => reason_of(rejection),
            Failure::BadPageToken => ErrorReason::BadPageToken,
            Failure::Compacted(_) => ErrorReason::RevisionCompacted,
            Failure::UnknownRevision(_) => ErrorReason::RevisionUnknown,
            Failure::NoQuorum => ErrorReason::NoQuorum,
            Failure::NotReady(_) => ErrorReason::ManagerNotReady,
            Failure::Limit { .. } => ErrorReason::LimitExceeded,
            Failure::WrongSwarmState { .. } => ErrorReason::WrongSwarmState,
            Failure::QuorumAtRisk { .. } => ErrorReason::QuorumAtRisk,
            Failure::RoleRequired { .. } => ErrorReason::RoleRequired,
            Failure::NotEnabled { .. } => ErrorReason::FeatureNotEnabled,
            Failure::Waited(ending) => reason_of_wait(ending),
            Failure::DeadlineExceeded => ErrorReason::DeadlineExceeded,
            Failure::Internal { .. } => ErrorReason::Internal,
            Failure::StorageFailed { .. } => ErrorReason::StorageFailed,
        }
    }
}

/// The canonical code of a reason.
#[must_use]
pub fn code_of(reason: ErrorReason) -> Code {
    match reason {
        ErrorReason::InvalidField | ErrorReason::BadPageToken | ErrorReason::AmbiguousReference => {
            Code::InvalidArgument
        }
        ErrorReason::ObjectNotFound => Code::NotFound,
        ErrorReason::NameTaken | ErrorReason::PortTaken => Code::AlreadyExists,
        ErrorReason::SpecRevisionMismatch | ErrorReason::RequestIdReused => Code::Aborted,
        ErrorReason::ObjectDeleting
        | ErrorReason::RolloutState
        | ErrorReason::NoEarlierRevision
        | ErrorReason::NodeNotDown
        | ErrorReason::NodeIsManager
        | ErrorReason::QuorumAtRisk
        | ErrorReason::WrongSwarmState
        | ErrorReason::RolloutPaused
        | ErrorReason::RolledBack
        | ErrorReason::RollbackPaused
        | ErrorReason::NodePaused
        | ErrorReason::AttemptsExhausted
        | ErrorReason::CrashLoop
        | ErrorReason::PortInUse => Code::FailedPrecondition,
        ErrorReason::RevisionCompacted | ErrorReason::RevisionUnknown => Code::OutOfRange,
        ErrorReason::NoQuorum | ErrorReason::ManagerNotReady | ErrorReason::StorageFailed => {
            Code::Unavailable
        }
        ErrorReason::LimitExceeded | ErrorReason::PoolExhausted => Code::ResourceExhausted,
        ErrorReason::RoleRequired => Code::PermissionDenied,
        ErrorReason::FeatureNotEnabled => Code::Unimplemented,
        ErrorReason::DeadlineExceeded
        | ErrorReason::Unplaced
        | ErrorReason::NotConverged
        | ErrorReason::NotDeleted => Code::DeadlineExceeded,
        ErrorReason::Internal | ErrorReason::Unspecified => Code::Internal,
    }
}

/// The name of a reason as it stands in ErrorInfo.
#[must_use]
pub fn reason_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

/// Whatever stalls a service is a reason of the contract: a test goes through them.
fn reason_of_wait(ending: &Ending) -> ErrorReason {
    match ending {
        Ending::Gone { .. } => ErrorReason::ObjectNotFound,
        Ending::Stalled { reason, .. } => {
            let known = ErrorReason::from_str_name(&format!("ERROR_REASON_{reason}"));
            known.unwrap_or(ErrorReason::Internal)
        }
        Ending::Unplaced { .. } => ErrorReason::Unplaced,
        Ending::NotConverged { .. } => ErrorReason::NotConverged,
        Ending::NotDeleted { .. } => ErrorReason::NotDeleted,
    }
}

fn reason_of(rejection: &Rejection) -> ErrorReason {
    match rejection {
        Rejection::NotFound { .. } => ErrorReason::ObjectNotFound,
        Rejection::Ambiguous { .. } => ErrorReason::AmbiguousReference,
        Rejection::NameTaken { .. } => ErrorReason::NameTaken,
        Rejection::PortTaken { .. } => ErrorReason::PortTaken,
        Rejection::SpecRevisionMismatch { .. } => ErrorReason::SpecRevisionMismatch,
        Rejection::RequestIdReused => ErrorReason::RequestIdReused,
        Rejection::Deleting { .. } => ErrorReason::ObjectDeleting,
        Rejection::NodeNotDown { .. } => ErrorReason::NodeNotDown,
        Rejection::NodeIsManager { .. } => ErrorReason::NodeIsManager,
        Rejection::Field { .. } => ErrorReason::InvalidField,
        Rejection::PortPoolExhausted { .. } => ErrorReason::PoolExhausted,
        Rejection::RolloutState { .. } => ErrorReason::RolloutState,
        Rejection::NoEarlierRevision { .. } => ErrorReason::NoEarlierRevision,
        Rejection::SwarmExists => ErrorReason::WrongSwarmState,
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Failure {
        Failure::Rejected(rejection)
    }
}

impl From<Vec<Violation>> for Failure {
    fn from(violations: Vec<Violation>) -> Failure {
        Failure::Invalid(violations)
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Failure {
        match error {
            ClusterError::NoQuorum => Failure::NoQuorum,
            ClusterError::NotReady(why) => Failure::NotReady(why),
            ClusterError::StorageFailed { path, cause } => Failure::StorageFailed { path, cause },
            ClusterError::TooLarge { limit, .. } => Failure::Limit {
                subject: "change_size",
                limit: limit as u64,
                message: "make the change in smaller steps".to_owned(),
            },
        }
    }
}
