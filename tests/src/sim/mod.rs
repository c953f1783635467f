// SPDX-License-Identifier: Apache-2.0
//! A whole swarm in one thread, and everything that can go wrong with it, from one seed.
//!
//! It is the code of the daemon: what is admitted, the loops of the leader, placement, both ends
//! of the sessions, what a node does about its tasks, heartbeats and watches from `skep-core`;
//! the log and the snapshots from `skep-store`, over a disk that crashes; the stored forms from
//! `skep-wire`. What is made up here stands around it: Raft's place (`consensus.rs`), the network
//! (`line.rs`), processes and containers (`process.rs`), their engine (`engine.rs`), users,
//! watchers, and chance.
//!
//! A world has two parts. First, for a time, things go wrong while users want things. Then
//! nothing goes wrong any more, and it must heal within a bound. After each change every rule
//! of `skep_core::check` must hold, and all that `oracle.rs` knows.

mod agenda;
mod checks;
mod clock;
mod consensus;
mod dice;
mod disk;
mod down;
mod drain;
mod engine;
mod fault;
mod field;
mod heal;
mod lead;
mod line;
mod machine;
mod manager;
mod manner;
mod many;
mod oracle;
mod outage;
mod people;
mod ports;
mod process;
mod rollout;
mod specs;
mod tally;
mod trace;
mod trouble;
mod user;
mod watcher;
mod words;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use many::{SEEDS, play_all};
pub use rollout::{Plan, Told, roll_out};
pub use tally::{Counts, Tally};

use world::World;

/// What came of a world in which nothing was wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// A number that stands for everything that happened, in order.
    pub hash: u64,
    /// What there was of everything.
    pub tally: Tally,
}

/// What was wrong with a world.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of the world.
    pub seed: u64,
    /// What was wrong.
    pub what: String,
    /// The last things that happened in it.
    pub tail: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, what, tail } = self;
        writeln!(f, "{tail}\n\nseed {seed}: {what}")?;
        write!(
            f,
            "again with: SKEP_SIM_SEED={seed} cargo test -p skep-tests sim"
        )
    }
}

/// Plays the world of a seed from its beginning to its end.
///
/// # Errors
/// If anything was wrong in it.
pub fn play(seed: u64) -> Result<Report, Box<Failure>> {
    playing(seed, World::new(seed), |world| {
        world.run()?;
        Ok(world.report())
    })
}

/// Plays a world; whatever goes wrong in it is told with its last lines.
fn playing<T>(
    seed: u64,
    mut world: World,
    play: impl FnOnce(&mut World) -> Result<T, String>,
) -> Result<T, Box<Failure>> {
    let failure = |world: &World, what: String| {
        Box::new(Failure {
            seed,
            what,
            tail: world.trace.tail(),
        })
    };
    match catch_unwind(AssertUnwindSafe(|| play(&mut world))) {
        Ok(Ok(told)) => Ok(told),
        Ok(Err(what)) => Err(failure(&world, what)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let what = format!("it panics: {}", text.unwrap_or_default());
            Err(failure(&world, what))
        }
    }
}

impl World {
    fn report(&self) -> Report {
        let watchers = || self.watchers.iter();
        let mut counts = Counts::default();
        for machine in &self.machines {
            counts += machine.processes.counts;
        }
        Report {
            hash: self.trace.hash(),
            tally: Tally {
                acknowledged: self.oracle.acknowledged() as u64,
                resumed: watchers().map(|watcher| watcher.resumes).sum(),
                counts,
                reset: watchers().map(|watcher| watcher.resets).sum(),
                ..self.tally
            },
        }
    }
}
