// SPDX-License-Identifier: Apache-2.0
//! What an engine refuses or fails at, in its own words.

use std::error::Error as _;

use bollard::errors::Error as Failed;
use skep_agent::executor::ExecutorError;

/// Why the engine did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {cause}")]
pub struct EngineError {
    what: String,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    /// The engine answered so.
    #[error("{message}")]
    Answered { status: u16, message: String },
    /// The engine did not answer.
    #[error("the Docker engine cannot be reached: {0}")]
    Unreachable(String),
    /// The engine answered something that is not understood.
    #[error("{0}")]
    Other(String),
}

impl EngineError {
    /// The engine failed at `what`.
    pub(crate) fn new(what: impl Into<String>, failed: Failed) -> Self {
        let cause = match failed {
            Failed::DockerResponseServerError {
                status_code,
                message,
            } => Cause::Answered {
                status: status_code,
                message: message.trim().to_owned(),
            },
            // The stream of an answer that began well.
            Failed::DockerStreamError { error } => Cause::Answered {
                status: 500,
                message: error.trim().to_owned(),
            },
            Failed::RequestTimeoutError => Cause::Unreachable("it does not answer".to_owned()),
            failed @ (Failed::IOError { .. }
            | Failed::HyperResponseError { .. }
            | Failed::HyperLegacyError { .. }
            | Failed::SocketNotFoundError(_)) => Cause::Unreachable(innermost(&failed)),
            failed => Cause::Other(words(&failed)),
        };
        EngineError {
            what: what.into(),
            cause,
        }
    }

    /// Something of ours is wrong at `what`.
    pub(crate) fn other(what: impl Into<String>, words: impl Into<String>) -> Self {
        EngineError {
            what: what.into(),
            cause: Cause::Other(words.into()),
        }
    }

    /// The status of the engine's answer; nothing: it gave none.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match &self.cause {
            Cause::Answered { status, .. } => Some(*status),
            Cause::Unreachable(_) | Cause::Other(_) => None,
        }
    }

    /// Whether what was asked about is not there.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.status() == Some(404)
    }

    /// Whether the engine could not be reached at all.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self.cause, Cause::Unreachable(_))
    }

    /// What the engine said, alone.
    #[must_use]
    pub fn words(&self) -> String {
        self.cause.to_string()
    }
}

impl From<EngineError> for ExecutorError {
    fn from(error: EngineError) -> Self {
        ExecutorError::Engine(error.to_string())
    }
}

/// What is at the bottom of an error: of a connection that fails only that says anything.
fn innermost(error: &Failed) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = inner.to_string();
        cause = inner.source();
    }
    words
}

/// An error and all its causes: the outer ones alone only say "client error".
fn words(error: &Failed) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_said_so_in_few_words() {
        let nobody = "unix:///no/such/engine.sock".parse().expect("an address");
        let error = crate::Engine::new(nobody).negotiate().await;
        let error = error.expect_err("nobody is there");
        assert!(error.is_unreachable());
        let words = error.words();
        assert!(
            words.starts_with("the Docker engine cannot be reached: "),
            "{words}"
        );
        assert!(!words.contains("client"), "{words}");
        // One that has gone has left its socket, or not.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let closed = listener.local_addr().expect("its address");
        drop(listener);
        let gone = format!("tcp://{closed}").parse().expect("an address");
        let error = crate::Engine::new(gone).negotiate().await;
        let words = error.expect_err("nobody is there").words();
        assert_eq!(
            words,
            "the Docker engine cannot be reached: Connection refused (os error 111)"
        );
    }

    #[test]
    fn the_engine_speaks_for_itself() {
        let failed = Failed::DockerResponseServerError {
            status_code: 404,
            message: "No such image: web:9\n".to_owned(),
        };
        let error = EngineError::new("cannot make the container", failed);
        assert!(error.is_gone() && !error.is_unreachable());
        assert_eq!(error.words(), "No such image: web:9");
        let error = ExecutorError::from(error);
        assert!(!error.is_refusal());
        assert_eq!(
            error.to_string(),
            "cannot make the container: No such image: web:9"
        );
    }
}
