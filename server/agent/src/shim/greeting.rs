// SPDX-License-Identifier: Apache-2.0
//! The one thing a shim says to the daemon that started it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use serde::{Deserialize, Serialize};

use crate::executor::ExecutorError;

/// What came of the start. Where the daemon finds more stands in the task's directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Greeting {
    /// The task runs: `running.json`.
    Running,
    /// It was ordered to end before it ran: `exit.json`.
    Ended,
    /// The work cannot be run here: `exit.json`, and the error in its parts.
    Refused {
        /// The field of the template that is to blame.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another shim has it, or had it: `started.json`.
    Taken,
    /// The node failed. Unless `started.json` is there, another attempt may succeed.
    Failed(String),
}

impl Greeting {
    /// The task could not be started, for this reason.
    pub(super) fn not_started(error: ExecutorError) -> Self {
        match error {
            ExecutorError::Refused { field, problem } => Greeting::Refused { field, problem },
            other => Greeting::Failed(other.to_string()),
        }
    }
}

/// The pipe to the daemon, which is standard output until something was said.
pub(super) struct Voice(Option<File>);

impl Voice {
    /// Takes standard output away, so that nothing else is ever said there.
    pub(super) fn take() -> io::Result<Self> {
        let pipe = io::stdout().as_fd().try_clone_to_owned()?;
        nix::unistd::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
        Ok(Voice(Some(pipe.into())))
    }

    /// Says it and closes the pipe. The daemon may be gone; then nobody needs to know.
    pub(super) fn say(&mut self, greeting: &Greeting) {
        if let (Some(mut pipe), Ok(text)) = (self.0.take(), serde_json::to_vec(greeting)) {
            pipe.write_all(&text).ok();
        }
    }
}
