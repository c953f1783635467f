// SPDX-License-Identifier: Apache-2.0
//! The flags of `service create` and `service update` that say how changes are rolled out.

use std::time::Duration;

use clap::{Args, ValueEnum};
use skep_sdk::v1::UpdatePolicy;
use skep_sdk::v1::update_policy::{OnFailure, Order};

use crate::parse::duration::parse_duration;
use crate::parse::quantity::{parse_count, parse_ratio};
use crate::spec::proto_duration;

/// Which comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderWord {
    /// The new task is made ready, the old one stops, the new one starts
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
    /// Go back to the newest good revision
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

/// The flags of one policy: both policies have the same.
macro_rules! policy_flags {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $heading:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Args)]
        pub(crate) struct $name {
            /// Tasks changed at a time; 0: all
            #[arg(id = concat!($kind, "-parallelism"), long = concat!($kind, "-parallelism"),
                value_name = "N", value_parser = parse_count, allow_negative_numbers = true,
                help_heading = $heading)]
            parallelism: Option<u32>,
            /// Wait after a task was changed, before the next has its turn
            #[arg(id = concat!($kind, "-delay"), long = concat!($kind, "-delay"),
                value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true,
                help_heading = $heading)]
            delay: Option<Duration>,
            /// Which comes first, the end of the old task or the start of the new one
            #[arg(id = concat!($kind, "-order"), long = concat!($kind, "-order"),
                value_name = "ORDER", help_heading = $heading)]
            order: Option<OrderWord>,
            /// A new task that ends within this time of running counts as failed
            #[arg(id = concat!($kind, "-monitor"), long = concat!($kind, "-monitor"),
                value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true,
                help_heading = $heading)]
            monitor: Option<Duration>,
            /// A new task that does not run by then counts as failed
            #[arg(id = concat!($kind, "-progress-deadline"),
                long = concat!($kind, "-progress-deadline"), value_name = "DURATION",
                value_parser = parse_duration, allow_hyphen_values = true,
                help_heading = $heading)]
            progress_deadline: Option<Duration>,
            /// Failures borne, as a part of the tasks in whole percents: 0 to 1, such as 0.25
            #[arg(id = concat!($kind, "-max-failure-ratio"),
                long = concat!($kind, "-max-failure-ratio"), value_name = "RATIO",
                value_parser = parse_ratio, allow_negative_numbers = true,
                help_heading = $heading)]
            max_failure_percent: Option<u32>,
            /// What follows one failure more
            #[arg(id = concat!($kind, "-failure-action"),
                long = concat!($kind, "-failure-action"), value_name = "ACTION",
                help_heading = $heading)]
            failure_action: Option<FailureWord>,
        }

        impl $name {
            /// Takes the flags over into a policy, which is made if there is none.
            pub(crate) fn take_over(&self, policy: &mut Option<UpdatePolicy>) {
                let before = policy.unwrap_or_default();
                let after = UpdatePolicy {
                    parallelism: self.parallelism.or(before.parallelism),
                    delay: self.delay.map(proto_duration).or(before.delay),
                    order: self
                        .order
                        .map_or(before.order, |word| word.into_proto().into()),
                    monitor: self.monitor.map(proto_duration).or(before.monitor),
                    progress_deadline: self
                        .progress_deadline
                        .map(proto_duration)
                        .or(before.progress_deadline),
                    max_failure_percent: self
                        .max_failure_percent
                        .unwrap_or(before.max_failure_percent),
                    on_failure: self
                        .failure_action
                        .map_or(before.on_failure, |word| word.into_proto().into()),
                };
                if after != before {
                    *policy = Some(after);
                }
            }
        }
    };
}

policy_flags!(
    /// How changes are rolled out.
    UpdatePolicyFlags,
    "update",
    "Roll-out"
);
policy_flags!(
    /// How changes are taken back.
    RollbackPolicyFlags,
    "rollback",
    "Roll-back"
);

/// How changes are rolled out, and how they are taken back.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PolicyFlags {
    #[command(flatten)]
    pub(crate) update: UpdatePolicyFlags,
    #[command(flatten)]
    pub(crate) rollback: RollbackPolicyFlags,
}
