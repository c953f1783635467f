// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with a task on its node, in words for the one who reads its message.

use std::io;

use skep_core::model::TaskId;

/// Why an executor did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The work asks for what this node cannot give: trying again here is of no use.
    #[error("{problem} (field {field})")]
    Refused {
        /// Path of the field within the task's template, such as `process.command[0]`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such task here.
    #[error("task {0} is not on this node")]
    UnknownTask(TaskId),
    /// The node failed: another attempt may succeed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A health check did not pass: what it said.
    #[error("{0}")]
    CheckFailed(String),
    /// The supervisor of a task did not behave: another attempt may succeed.
    #[error("the supervisor of the task failed: {0}")]
    Supervisor(String),
    /// The engine that runs containers failed: another attempt may succeed.
    #[error("{0}")]
    Engine(String),
}

impl ExecutorError {
    /// The work asks in `field` for what this node cannot give.
    pub fn refused(field: impl Into<String>, problem: impl Into<String>) -> Self {
        ExecutorError::Refused {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// The system failed at `what`.
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        ExecutorError::Io {
            what: what.into(),
            source,
        }
    }

    /// Whether trying again on this node is of no use.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, ExecutorError::Refused { .. })
    }
}
