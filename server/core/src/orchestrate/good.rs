// SPDX-License-Identifier: Apache-2.0
//! Which revisions are good: those that their service converged on.

use crate::state::{Write, derive};

use super::desk::Desk;

/// Notes that the present revision is one to go back to, once its tasks ran for as long as a
/// rollout watches them.
pub(super) fn mark(desk: &mut Desk<'_>) {
    let service = desk.service;
    let revision = desk.current();
    if desk.template(revision).is_none_or(|kept| kept.good) || service.status.desired_tasks == 0 {
        return;
    }
    if service
        .rollout
        .as_ref()
        .is_some_and(|it| !it.state.is_over())
    {
        return;
    }
    if desk.has_writes() {
        // What they do to the conditions is not known yet.
        desk.look_again();
        return;
    }
    let mut conditions = service.status.conditions.iter();
    let Some(converged) = conditions.find(|it| it.kind == derive::CONVERGED && it.holds) else {
        return;
    };
    let monitor = service.spec.policy(false).monitor();
    let good_at = match service.rollout {
        Some(_) => converged.transition_time,
        None => converged.transition_time.max(desk.led_since).after(monitor),
    };
    if good_at > desk.now {
        desk.wake_at(good_at);
        return;
    }
    let service = service.meta.id;
    desk.write([Write::MarkGood { service, revision }]);
}
