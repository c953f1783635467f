// SPDX-License-Identifier: Apache-2.0
//! How changes are rolled out.

use std::time::Duration;

use skep_core::model::{Mode, OnFailure, Port, PortMode, UpdateOrder, UpdatePolicy};
use skep_proto::v1;

use super::Fields;
use super::common::{bounded_span, unknown};

const DAY: Duration = Duration::from_secs(86_400);
const PARALLELISM_MAX: u64 = 100_000;
/// Revisions stay below this.
const REVISION_MAX: u64 = 1 << 53;

/// The policy in the field `name`; nothing if there is none.
pub(super) fn policy(
    fields: &mut Fields,
    name: &str,
    message: Option<v1::UpdatePolicy>,
) -> Option<UpdatePolicy> {
    message.map(|message| fields.at(name, |fields| read(fields, message)))
}

fn read(fields: &mut Fields, message: v1::UpdatePolicy) -> UpdatePolicy {
    if let Some(count) = message.parallelism {
        fields.range("parallelism", count.into(), 0, PARALLELISM_MAX);
    }
    let percent = message.max_failure_percent;
    fields.range("max_failure_percent", percent.into(), 0, 100);
    let second = Duration::from_secs(1);
    let deadline = message.progress_deadline;
    UpdatePolicy {
        parallelism: message.parallelism,
        delay: bounded_span(fields, "delay", message.delay, Duration::ZERO, DAY),
        order: order(fields, message.order),
        monitor: bounded_span(fields, "monitor", message.monitor, Duration::ZERO, DAY),
        progress_deadline: bounded_span(fields, "progress_deadline", deadline, second, DAY),
        max_failure_percent: percent,
        on_failure: on_failure(fields, message.on_failure),
    }
}

fn order(fields: &mut Fields, value: i32) -> Option<UpdateOrder> {
    use v1::update_policy::Order as Message;
    match Message::try_from(value) {
        Ok(Message::Unspecified) => None,
        Ok(Message::StopFirst) => Some(UpdateOrder::StopFirst),
        Ok(Message::StartFirst) => Some(UpdateOrder::StartFirst),
        Err(_) => {
            unknown(fields, "order", value);
            None
        }
    }
}

fn on_failure(fields: &mut Fields, value: i32) -> Option<OnFailure> {
    use v1::update_policy::OnFailure as Message;
    match Message::try_from(value) {
        Ok(Message::Unspecified) => None,
        Ok(Message::Pause) => Some(OnFailure::Pause),
        Ok(Message::Continue) => Some(OnFailure::Continue),
        Ok(Message::Rollback) => Some(OnFailure::Rollback),
        Err(_) => {
            unknown(fields, "on_failure", value);
            None
        }
    }
}

/// What the policies of a service may not be, together with the rest of its spec.
pub(super) fn check(
    fields: &mut Fields,
    mode: Mode,
    [update, rollback]: [Option<UpdatePolicy>; 2],
    ports: &[Port],
) {
    if rollback.is_some_and(|policy| policy.on_failure == Some(OnFailure::Rollback)) {
        fields.wrong(
            "rollback.on_failure",
            "is ROLLBACK; of a rollback only PAUSE and CONTINUE are allowed",
        );
    }
    let on_host = |port: &Port| port.mode == PortMode::Host && port.published != 0;
    if mode != Mode::EveryNode || !ports.iter().any(on_host) {
        return;
    }
    for (name, policy) in [("update", update), ("rollback", rollback)] {
        if policy.is_some_and(|policy| policy.order() == UpdateOrder::StartFirst) {
            fields.wrong(
                &format!("{name}.order"),
                "is START_FIRST; with one task a node and a fixed port of mode HOST the old task \
                 must stop first",
            );
        }
    }
}

/// What a request wants of a rollout: the action, and with a rollback the revision.
pub fn action(
    fields: &mut Fields,
    request: &v1::ControlRolloutRequest,
) -> Option<skep_core::admit::RolloutAction> {
    use skep_core::admit::RolloutAction;
    use v1::control_rollout_request::Action as Message;
    let to = request.to_template_revision;
    fields.range("to_template_revision", to, 0, REVISION_MAX);
    let action = Message::try_from(request.action);
    if to != 0 && action != Ok(Message::Rollback) {
        fields.wrong("to_template_revision", "is for the action ROLLBACK only");
    }
    match action {
        Ok(Message::Pause) => Some(RolloutAction::Pause),
        Ok(Message::Resume) => Some(RolloutAction::Resume),
        Ok(Message::Rollback) => {
            let to = (to != 0).then_some(skep_core::model::Revision(to));
            Some(RolloutAction::RollBack(to))
        }
        Ok(Message::Unspecified) => {
            fields.wrong("action", "is required: PAUSE, RESUME or ROLLBACK");
            None
        }
        Err(_) => {
            unknown(fields, "action", request.action);
            None
        }
    }
}
