// SPDX-License-Identifier: Apache-2.0
//! The flags of `service create` and `service update` that say how changes are rolled out.

use std::time::Duration;

use clap::{Args, ValueEnum};
use skep_sdk::v1::update_policy::{OnFailure, Order};

use crate::parse::duration::parse_duration;
use crate::parse::quantity::{parse_count, parse_ratio};

/// Which comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderWord {
    /// The old task stops, then the new one starts
    StopFirst,
    /// The new task runs, then the old one stops
    StartFirst,
}

impl OrderWord {
    /// The value of the contract.
    pub(crate) fn into_proto(self) -> Order {
        match self {
            Self::StopFirst => Order::StopFirst,
            Self::StartFirst => Order::StartFirst,
        }
    }
}

/// What follows too many failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailureWord {
    /// Change no further task and wait for a person
    Pause,
    /// Go on
    Continue,
    /// Go back to the revision before
    Rollback,
}

impl FailureWord {
    /// The value of the contract.
    pub(crate) fn into_proto(self) -> OnFailure {
        match self {
            Self::Pause => OnFailure::Pause,
            Self::Continue => OnFailure::Continue,
            Self::Rollback => OnFailure::Rollback,
        }
    }
}

/// How changes are rolled out, and how they are taken back.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "PolicyFlags")]
pub(crate) struct PolicyFlags {
    /// Tasks changed at a time; 0: all
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true,
        help_heading = "Roll-out")]
    pub(crate) update_parallelism: Option<u32>,
    /// Wait between two steps
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true,
        help_heading = "Roll-out")]
    pub(crate) update_delay: Option<Duration>,
    /// Which comes first, the end of the old task or the start of the new one
    #[arg(long, value_name = "ORDER", help_heading = "Roll-out")]
    pub(crate) update_order: Option<OrderWord>,
    /// A new task that fails within this time of running counts as failed
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true,
        help_heading = "Roll-out")]
    pub(crate) update_monitor: Option<Duration>,
    /// A new task that does not run by then counts as failed
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true,
        help_heading = "Roll-out")]
    pub(crate) update_progress_deadline: Option<Duration>,
    /// Failures borne, as a part of the tasks: 0 to 1
    #[arg(long, value_name = "RATIO", value_parser = parse_ratio, allow_negative_numbers = true,
        help_heading = "Roll-out")]
    pub(crate) update_max_failure_ratio: Option<u32>,
    /// What follows one failure more
    #[arg(long, value_name = "ACTION", help_heading = "Roll-out")]
    pub(crate) update_failure_action: Option<FailureWord>,
    /// Tasks changed at a time; 0: all
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true,
        help_heading = "Roll-back")]
    pub(crate) rollback_parallelism: Option<u32>,
    /// Wait between two steps
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true,
        help_heading = "Roll-back")]
    pub(crate) rollback_delay: Option<Duration>,
    /// Which comes first, the end of the old task or the start of the new one
    #[arg(long, value_name = "ORDER", help_heading = "Roll-back")]
    pub(crate) rollback_order: Option<OrderWord>,
    /// A new task that fails within this time of running counts as failed
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true,
        help_heading = "Roll-back")]
    pub(crate) rollback_monitor: Option<Duration>,
    /// A new task that does not run by then counts as failed
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true,
        help_heading = "Roll-back")]
    pub(crate) rollback_progress_deadline: Option<Duration>,
    /// Failures borne, as a part of the tasks: 0 to 1
    #[arg(long, value_name = "RATIO", value_parser = parse_ratio, allow_negative_numbers = true,
        help_heading = "Roll-back")]
    pub(crate) rollback_max_failure_ratio: Option<u32>,
    /// What follows one failure more
    #[arg(long, value_name = "ACTION", help_heading = "Roll-back")]
    pub(crate) rollback_failure_action: Option<FailureWord>,
}
