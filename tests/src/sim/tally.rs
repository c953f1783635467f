// SPDX-License-Identifier: Apache-2.0
//! What there was of everything in a world.

use std::ops::AddAssign;

use skep_core::model::HealthState;

/// What there was of everything, to show that it was enough.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Times a manager, an agent or a machine died.
    pub crashes: u64,
    /// Times the network of a node was cut.
    pub cuts: u64,
    /// Times a clock was set.
    pub clocks_set: u64,
    /// Nodes that were deleted.
    pub deleted: u64,
    /// Times a machine came back with an empty disk.
    pub disks_lost: u64,
    /// Things that happened.
    pub events: u64,
    /// Changes written.
    pub changes: u64,
    /// Requests of users that were acknowledged.
    pub acknowledged: u64,
    /// Snapshots written.
    pub snapshots: u64,
    /// Watches that went on where they were after a crash.
    pub resumed: u64,
    /// Watches that had to begin anew.
    pub reset: u64,
    /// Processes started.
    pub starts: u64,
    /// Milliseconds from the last fault until all was well.
    pub healed_after_millis: u64,
    /// What happened to what runs on machines.
    pub counts: Counts,
}

/// What happened to what runs on machines, and to their engines.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Containers started.
    pub containers: u64,
    /// Tasks that took more than a second to be made ready.
    pub slow: u64,
    /// Ends and changes of health that no event told of.
    pub deaf: u64,
    /// Looks of an executor that found what no event had told of.
    pub found: u64,
    /// Engines that went while containers ran, and those went on.
    pub gone: u64,
    /// Engines that went with the containers that ran.
    pub gone_with_all: u64,
    /// Agents that started while the engine was gone and containers ran.
    pub blind: u64,
    /// Orders that were carried out, and whose answer was lost with the engine.
    pub unanswered: u64,
    /// Tasks that there was no space for.
    pub no_space: u64,
    /// Tasks that were well only after checks that failed.
    pub well_late: u64,
    /// Tasks that became unhealthy after they were well.
    pub fell_ill: u64,
    /// Tasks that became unhealthy without having been well.
    pub never_well: u64,
}

impl Counts {
    /// All of them, with their names.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 12] {
        [
            ("containers", self.containers),
            ("slow", self.slow),
            ("deaf", self.deaf),
            ("found", self.found),
            ("gone", self.gone),
            ("gone with all", self.gone_with_all),
            ("blind", self.blind),
            ("unanswered", self.unanswered),
            ("no space", self.no_space),
            ("well late", self.well_late),
            ("fell ill", self.fell_ill),
            ("never well", self.never_well),
        ]
    }

    /// A check has changed what is known of a task's health, or not.
    pub(crate) fn note(&mut self, before: HealthState, after: HealthState) {
        match (before, after) {
            (HealthState::Healthy, HealthState::Unhealthy) => self.fell_ill += 1,
            (HealthState::Starting, HealthState::Unhealthy) => self.never_well += 1,
            _ => {}
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.containers += other.containers;
        self.slow += other.slow;
        self.deaf += other.deaf;
        self.found += other.found;
        self.gone += other.gone;
        self.gone_with_all += other.gone_with_all;
        self.blind += other.blind;
        self.unanswered += other.unanswered;
        self.no_space += other.no_space;
        self.well_late += other.well_late;
        self.fell_ill += other.fell_ill;
        self.never_well += other.never_well;
    }
}
