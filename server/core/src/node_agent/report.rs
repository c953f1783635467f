// SPDX-License-Identifier: Apache-2.0
//! What an agent still has to tell the managers.

use std::collections::{BTreeMap, VecDeque};

use crate::model::TaskId;
use crate::state::Observation;

/// Most tasks of one report.
pub const REPORT_TASKS_MAX: usize = 1_000;

/// Most reports that are on their way at a time; what comes meanwhile is merged.
pub const REPORTS_IN_FLIGHT_MAX: usize = 4;

/// What became of tasks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatusReport {
    /// Counts from 1, one more each.
    pub seq: u64,
    /// What is known, by task.
    pub tasks: BTreeMap<TaskId, Observation>,
}

/// Observations that no manager has acknowledged. Plain data: an agent may keep it on disk.
/// Without that nothing is lost either, if all that is known is told again in each session.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ReportQueue {
    /// The last report that was acknowledged; 0: none.
    pub acked: u64,
    /// Reports on their way, oldest first.
    pub sent: VecDeque<StatusReport>,
    /// What goes with the next report: of each task the newest only.
    pub waiting: BTreeMap<TaskId, Observation>,
}

impl ReportQueue {
    /// Adds an observation; it takes the place of an older one of the task.
    pub fn push(&mut self, task: TaskId, observation: Observation) {
        self.waiting.insert(task, observation);
    }

    /// The next report to send; nothing if there is nothing to tell, or enough is on its way.
    pub fn next_report(&mut self) -> Option<StatusReport> {
        if self.waiting.is_empty() || self.sent.len() >= REPORTS_IN_FLIGHT_MAX {
            return None;
        }
        let rest = match self.waiting.keys().nth(REPORT_TASKS_MAX).copied() {
            Some(first_left) => self.waiting.split_off(&first_left),
            None => BTreeMap::new(),
        };
        let report = StatusReport {
            seq: self.sent.back().map_or(self.acked, |last| last.seq) + 1,
            tasks: std::mem::replace(&mut self.waiting, rest),
        };
        self.sent.push_back(report.clone());
        Some(report)
    }

    /// Forgets all reports through `seq`. An acknowledgement of what was not sent is ignored.
    pub fn acknowledge(&mut self, seq: u64) {
        while self.sent.front().is_some_and(|report| report.seq <= seq) {
            self.acked = self
                .sent
                .pop_front()
                .map_or(self.acked, |report| report.seq);
        }
    }

    /// Begins a new session: what was on its way may be lost, and is told again.
    pub fn begin_again(&mut self) {
        while let Some(report) = self.sent.pop_back() {
            for (task, observation) in report.tasks {
                self.waiting.entry(task).or_insert(observation);
            }
        }
    }

    /// Whether the managers know everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.waiting.is_empty()
    }
}
