// SPDX-License-Identifier: Apache-2.0
//! Plays simulated worlds and says what was wrong with the first in which anything was.
//!
//! It is the test `sim_worlds_stay_sound_and_heal` without what all other tests are built on, so
//! that `scripts/sim-bugs.sh` can build it once for each planted bug.

use std::process::ExitCode;

use skep_tests::sim::{Counts, SEEDS, play_all};

fn main() -> ExitCode {
    let seeds: Vec<u64> = (0..SEEDS).collect();
    match play_all(&seeds) {
        Ok(reports) => {
            let mut counts = Counts::default();
            for report in &reports {
                counts += report.tally.counts;
            }
            println!("nothing is wrong in {} worlds: {counts:?}", reports.len());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}
