// SPDX-License-Identifier: Apache-2.0
//! `skep completion`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::print_bytes;

/// Write the completion script of a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example: skep completion bash > /etc/bash_completion.d/skep")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

impl Completion {
    /// Writes it.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "skep", &mut script);
        print_bytes(&script);
        Ok(())
    }
}
