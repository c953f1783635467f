// SPDX-License-Identifier: Apache-2.0
//! What went wrong with founding or leaving a swarm, as the answer to a call.

use std::io;
use std::path::Path;

use skep_manager::cluster::ClusterError;
use skep_manager::daemon::DaemonState;
use skep_manager::error::Failure;
use skep_store::OpenError;

use super::disk::Refused;

/// The daemon is in a swarm.
#[derive(Debug, thiserror::Error)]
#[error("this daemon is in a swarm already")]
pub(super) struct AlreadyMember;

/// The answer to one who founds a swarm on a member of one.
pub(super) fn already_member(state: DaemonState) -> Failure {
    Failure::WrongSwarmState {
        state,
        message: "this daemon is in a swarm already; leave that with LeaveSwarm (\"skep swarm \
                  leave --force\") first"
            .to_owned(),
    }
}

/// An error of the daemon, as the answer to a call: what the caller can wait for is told from
/// what somebody has to mend, and that from a fault of the server.
pub(super) fn failure(error: &anyhow::Error, data: &Path) -> Failure {
    if error.is::<AlreadyMember>() {
        return already_member(DaemonState::Member);
    }
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return Failure::WrongSwarmState {
            state: DaemonState::Outside,
            message: refused.to_string(),
        };
    }
    for cause in error.chain() {
        if let Some(cluster) = cause.downcast_ref::<ClusterError>() {
            return cluster.clone().into();
        }
        if cause.is::<OpenError>() || cause.is::<io::Error>() {
            return Failure::StorageFailed {
                path: data.to_path_buf(),
                cause: format!("{error:#}"),
            };
        }
    }
    Failure::internal(&format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::super::disk;
    use super::super::start::Refusal;
    use super::*;

    #[test]
    fn each_error_has_its_own_reason() {
        let data = Path::new("/data");
        let failed = |error: anyhow::Error| failure(&error, data);

        let answer = failed(AlreadyMember.into());
        assert_eq!(answer, already_member(DaemonState::Member));

        let answer = failed(disk::refused(data, Refusal::IdentityMissing).into());
        let Failure::WrongSwarmState { state, message } = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(state, DaemonState::Outside);
        assert!(message.contains("Put that back from a backup"), "{message}");

        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = Err::<(), _>(full).context("cannot write /data/identity.json");
        let answer = failed(error.expect_err("it is one"));
        let Failure::StorageFailed { path, cause } = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(path, data);
        assert!(
            cause.starts_with("cannot write /data/identity.json: "),
            "{cause}"
        );

        let error = anyhow::Error::from(ClusterError::NoQuorum).context("cannot join");
        assert_eq!(failed(error), Failure::NoQuorum);

        let answer = failed(anyhow::anyhow!("a swarm without a node"));
        assert!(matches!(answer, Failure::Internal { .. }), "{answer:?}");
    }
}
