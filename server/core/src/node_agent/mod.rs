// SPDX-License-Identifier: Apache-2.0
//! What a node does about the tasks it was given.
//!
//! [`step()`] is the automaton of one task: what it was assigned, what is remembered of it and
//! what is seen of it go in, and the next orders for the executor and what to tell the managers
//! come out. [`Worker`] does that for all tasks of a node. Both look at what is, never at what
//! happened, so nothing is lost with an event, and a node that starts anew goes on where it was.
//!
//! What must not happen is that a task runs twice. So that a task is to be started is
//! remembered on disk before the order is given, and one that should be there and is not has
//! failed: it is never begun again.

mod checks;
mod ended;
mod launch;
mod merge;
mod observed;
mod orders;
mod placeholder;
mod record;
mod report;
mod step;
#[cfg(test)]
mod tests;
mod worker;

pub use checks::{CheckCourse, agent_check, opened_ports};
pub use ended::LAST_OUTPUT;
pub use launch::{ContainerLaunch, Launch, NodeFacts, Program, launch};
pub use merge::{Merged, RefusedReport, merge_status};
pub use observed::{Exit, ExitCause, Health, Note, Observed, Phase};
pub use orders::{Order, OrderFailure, OrderKind, Orders};
pub use placeholder::{BadPlaceholder, Placeholder, expand, parse};
pub use record::{StopCause, StopHow, Stopping, TaskRecord};
pub use report::{REPORT_TASKS_MAX, REPORTS_IN_FLIGHT_MAX, ReportQueue, StatusReport};
pub use step::{KILL_MARGIN, PREPARE_DEADLINE, PULL_DEADLINE, START_DEADLINE, Turn, View, step};
pub use worker::{Plan, Worker};
