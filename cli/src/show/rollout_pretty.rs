// SPDX-License-Identifier: Apache-2.0
//! For people, as parts of their service: how far a roll-out is, and the policies.

use std::time::SystemTime;

use skep_sdk::v1::rollout::State;
use skep_sdk::v1::update_policy::{OnFailure, Order};
use skep_sdk::v1::{Rollout, UpdatePolicy};

use super::service_pretty::Page;
use super::{age, ahead};
use crate::output::human::{ago, coming};

/// The present or last roll-out.
pub(super) fn rollout(page: &mut Page, rollout: &Rollout, now: SystemTime) {
    page.heading("UpdateStatus");
    page.line(" State", state(rollout.state()));
    let way = match rollout.from_template_revision {
        0 => rollout.template_revision.to_string(),
        from => format!("{} in place of {from}", rollout.template_revision),
    };
    page.line(" Revision", &way);
    page.line(" Started", &ago(age(rollout.start_time.as_ref(), now)));
    if rollout.end_time.is_some() {
        let name = match rollout.state() {
            State::Paused | State::RollbackPaused => " Paused",
            _ => " Completed",
        };
        page.line(name, &ago(age(rollout.end_time.as_ref(), now)));
    }
    let tasks = format!(
        "{} of {} changed, {} being changed, {} failed",
        rollout.updated_tasks, rollout.total_tasks, rollout.updating_tasks, rollout.failed_tasks
    );
    page.line(" Tasks", &tasks);
    if let Some(next) = &rollout.next_step_time {
        page.line(" Next Step", &coming(ahead(next, now)));
    }
    page.text_if(" Reason", &rollout.reason);
    page.text_if(" Message", &rollout.message);
    page.text_if(" Last Failed", &rollout.last_failed_task);
}

fn state(state: State) -> &'static str {
    match state {
        State::Unspecified => "unknown",
        State::Updating => "updating",
        State::Paused => "paused",
        State::Completed => "completed",
        State::RollingBack => "rolling back",
        State::RollbackPaused => "rollback paused",
        State::RolledBack => "rolled back",
    }
}

/// How changes are rolled out (`Update`), or taken back (`Rollback`).
pub(super) fn policy(page: &mut Page, kind: &str, policy: Option<&UpdatePolicy>) {
    let Some(policy) = policy else { return };
    page.heading(&format!("{kind}Config"));
    match policy.parallelism {
        None => {}
        Some(0) => page.line(" Parallelism", "all at a time"),
        Some(number) => page.line(" Parallelism", &number.to_string()),
    }
    page.span_if(" Delay", policy.delay);
    page.text_if(" On failure", on_failure(policy.on_failure()));
    page.span_if(" Monitoring Period", policy.monitor);
    page.span_if(" Progress Deadline", policy.progress_deadline);
    if policy.max_failure_percent > 0 {
        let ratio = format!("{}%", policy.max_failure_percent);
        page.line(" Max failure ratio", &ratio);
    }
    page.text_if(&format!(" {kind} order"), order(policy.order()));
}

fn on_failure(action: OnFailure) -> &'static str {
    match action {
        OnFailure::Unspecified => "",
        OnFailure::Pause => "pause",
        OnFailure::Continue => "continue",
        OnFailure::Rollback => "rollback",
    }
}

fn order(order: Order) -> &'static str {
    match order {
        Order::Unspecified => "",
        Order::StopFirst => "stop-first",
        Order::StartFirst => "start-first",
    }
}
