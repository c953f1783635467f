// SPDX-License-Identifier: Apache-2.0
//! Rollouts, their policies, and the revisions of a service.

use skep_core::model::{
    KeptTemplate, OnFailure, Revision, Rollout, RolloutState, UpdateOrder, UpdatePolicy,
};
use skep_proto::v1;

use super::parts::{duration, port, timestamp};
use super::spec::{template, unless_empty};

/// How a change is rolled out.
pub(super) fn policy(policy: &UpdatePolicy) -> v1::UpdatePolicy {
    use v1::update_policy::{OnFailure as Failing, Order};
    let order = match policy.order {
        None => Order::Unspecified,
        Some(UpdateOrder::StopFirst) => Order::StopFirst,
        Some(UpdateOrder::StartFirst) => Order::StartFirst,
    };
    let on_failure = match policy.on_failure {
        None => Failing::Unspecified,
        Some(OnFailure::Pause) => Failing::Pause,
        Some(OnFailure::Continue) => Failing::Continue,
        Some(OnFailure::Rollback) => Failing::Rollback,
    };
    v1::UpdatePolicy {
        parallelism: policy.parallelism,
        delay: policy.delay.map(duration),
        order: order.into(),
        monitor: policy.monitor.map(duration),
        progress_deadline: policy.progress_deadline.map(duration),
        max_failure_percent: policy.max_failure_percent,
        on_failure: on_failure.into(),
    }
}

/// How far a rollout is.
#[must_use]
pub fn rollout(rollout: &Rollout) -> v1::Rollout {
    let failed = rollout.last_failed_task;
    v1::Rollout {
        state: rollout_state(rollout.state).into(),
        template_revision: rollout.target.0,
        from_template_revision: rollout.from.0,
        reason: rollout.reason.to_string(),
        message: rollout.message.to_string(),
        start_time: Some(timestamp(rollout.start_time)),
        end_time: rollout.end_time.map(timestamp),
        next_step_time: rollout.next_step_time.map(timestamp),
        total_tasks: rollout.counts.total,
        updated_tasks: rollout.counts.updated,
        updating_tasks: rollout.counts.updating,
        failed_tasks: rollout.counts.failed,
        last_failed_task: failed.map(|task| task.to_string()).unwrap_or_default(),
    }
}

/// The state of a rollout.
#[must_use]
pub fn rollout_state(state: RolloutState) -> v1::rollout::State {
    match state {
        RolloutState::Updating => v1::rollout::State::Updating,
        RolloutState::Paused => v1::rollout::State::Paused,
        RolloutState::Completed => v1::rollout::State::Completed,
        RolloutState::RollingBack => v1::rollout::State::RollingBack,
        RolloutState::RollbackPaused => v1::rollout::State::RollbackPaused,
        RolloutState::RolledBack => v1::rollout::State::RolledBack,
    }
}

/// A revision of a service, of which so many tasks run. What differs from the kept revision
/// before it is said if there is one.
#[must_use]
pub fn service_revision(
    revision: Revision,
    kept: &KeptTemplate,
    before: Option<&KeptTemplate>,
    running_tasks: u32,
) -> v1::ServiceRevision {
    let spec = |kept: &KeptTemplate| v1::ServiceSpec {
        template: Some(template(&kept.template)),
        endpoint: unless_empty(v1::EndpointSpec {
            ports: kept.asked.iter().map(port).collect(),
        }),
        ..v1::ServiceSpec::default()
    };
    let now = spec(kept);
    let paths = before.map(|before| crate::parse::mask::differences(&spec(before), &now));
    v1::ServiceRevision {
        template_revision: revision.0,
        create_time: Some(timestamp(kept.create_time)),
        template: now.template,
        endpoint: now.endpoint,
        image: kept.image().to_string(),
        good: kept.good,
        running_tasks,
        caller: kept.caller.to_string(),
        changed_paths: paths.unwrap_or_default(),
    }
}
