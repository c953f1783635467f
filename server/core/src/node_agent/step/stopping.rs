// SPDX-License-Identifier: Apache-2.0
//! How a task is stopped: told once, and killed if it does not obey in time.

use super::{
    Desk, KILL_MARGIN, Observation, Order, OrderKind, StopCause, StopHow, Stopping, TaskState,
};

impl Desk<'_> {
    /// Stops the task, and insists.
    pub(super) fn stop(&mut self, cause: StopCause) {
        let (now, orders) = (self.view.now, self.view.orders);
        let found = self.fresh(Observation::of(TaskState::Accepted, now));
        let record = self.turn.record.get_or_insert(found);
        let how = match cause {
            StopCause::Wanted | StopCause::Unhealthy => record.stop,
            StopCause::StartDeadline => StopHow::KILL,
        };
        let stopping = record.stopping.get_or_insert(Stopping {
            cause,
            since: now,
            insist_at: now.after(how.grace + KILL_MARGIN),
        });
        let order = if orders.first_given(OrderKind::Stop).is_none() {
            // After a restart of the agent the order is given again, with what is left of the
            // grace. If the clock was set back meanwhile, that is all of it, and no more.
            let grace = how.grace.saturating_sub(now.since(stopping.since));
            stopping.insist_at = stopping.insist_at.min(now.after(how.grace + KILL_MARGIN));
            Some(StopHow { grace, ..how })
        } else if now >= stopping.insist_at {
            stopping.insist_at = now.after(KILL_MARGIN);
            Some(StopHow::KILL)
        } else {
            None
        };
        let insist_at = stopping.insist_at;
        if insist_at > now {
            self.wake(insist_at);
        }
        if let Some(StopHow { signal, grace }) = order {
            self.order(Order::Stop { signal, grace });
        }
    }
}
