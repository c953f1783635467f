// SPDX-License-Identifier: Apache-2.0
//! The exit codes, in one place: the help and `docs/operating.md` have the same.

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// The swarm refused.
    Refused = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// There is no daemon.
    NoDaemon = 3,
    /// A roll-out waits for a person.
    Paused = 10,
    /// A service is not as wanted, and waiting longer does not help.
    Failed = 11,
    /// A change was taken back by itself.
    RolledBack = 12,
    /// Tasks find no node.
    Unplaceable = 14,
    /// The time was over.
    TimedOut = 124,
    /// An interrupt from the keyboard; the work goes on.
    Interrupted = 130,
}

impl Exit {
    /// All of them, in order.
    const ALL: [Self; 10] = [
        Self::Done,
        Self::Refused,
        Self::Usage,
        Self::NoDaemon,
        Self::Paused,
        Self::Failed,
        Self::RolledBack,
        Self::Unplaceable,
        Self::TimedOut,
        Self::Interrupted,
    ];

    /// What the shell sees.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, in the help.
    const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Usage => "usage",
            Self::NoDaemon => "no daemon",
            Self::Paused => "roll-out paused",
            Self::Failed => "failed",
            Self::RolledBack => "rolled back",
            Self::Unplaceable => "no node fits",
            Self::TimedOut => "timed out",
            Self::Interrupted => "interrupted (the work goes on)",
        }
    }
}

/// The sentence of the help.
pub(crate) fn help() -> String {
    let words = Exit::ALL.map(|exit| format!("{} {}", exit.code(), exit.word()));
    format!("Exit codes: {}.", words.join(", "))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn the_help_and_the_docs_have_every_code_and_no_other() {
        let help = Cli::command().render_help().to_string();
        let one_line = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
        let docs = std::fs::read_to_string(docs).unwrap();
        let section = docs.split("\n## Exit codes\n").nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            Some((cells.next()?.parse::<u8>().ok()?, cells.next()?.to_owned()))
        });
        let rows: Vec<(u8, String)> = rows.collect();
        let codes = Exit::ALL.map(|exit| (exit.code(), exit.word().to_owned()));
        assert_eq!(rows, codes);
        for (code, word) in codes {
            assert!(
                one_line.contains(&format!("{code} {word}")),
                "{code} {word}: {help}"
            );
        }
    }
}
