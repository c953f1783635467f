// SPDX-License-Identifier: Apache-2.0
//! What the flags of roll-outs set.

use std::time::Duration;

use skep_sdk::v1::{ServiceSpec, UpdatePolicy};

use super::proto_duration;
use crate::commands::service::policy_flags::{FailureWord, OrderWord, PolicyFlags};

/// The flags of one policy.
struct Given {
    parallelism: Option<u32>,
    delay: Option<Duration>,
    order: Option<OrderWord>,
    monitor: Option<Duration>,
    progress_deadline: Option<Duration>,
    max_failure_percent: Option<u32>,
    failure_action: Option<FailureWord>,
}

/// Takes over the flags of both policies.
pub(crate) fn apply(flags: &PolicyFlags, spec: &mut ServiceSpec) {
    let update = Given {
        parallelism: flags.update_parallelism,
        delay: flags.update_delay,
        order: flags.update_order,
        monitor: flags.update_monitor,
        progress_deadline: flags.update_progress_deadline,
        max_failure_percent: flags.update_max_failure_ratio,
        failure_action: flags.update_failure_action,
    };
    let rollback = Given {
        parallelism: flags.rollback_parallelism,
        delay: flags.rollback_delay,
        order: flags.rollback_order,
        monitor: flags.rollback_monitor,
        progress_deadline: flags.rollback_progress_deadline,
        max_failure_percent: flags.rollback_max_failure_ratio,
        failure_action: flags.rollback_failure_action,
    };
    update.take_over(&mut spec.update);
    rollback.take_over(&mut spec.rollback);
}

impl Given {
    fn take_over(self, policy: &mut Option<UpdatePolicy>) {
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
