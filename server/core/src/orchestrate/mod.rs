// SPDX-License-Identifier: Apache-2.0
//! What tasks a service should have, and what to do about the difference.
//!
//! [`reconcile_service`] looks at the whole of one service and says what to write; it keeps
//! nothing between two calls, so it does not matter which event led to the call, or which
//! manager made the one before. Delays are times stored with the tasks; [`Plan::wake_at`] says
//! when to look again though nothing happened.
//!
//! A service has *places*: slots, or nodes with one task a node. The task of a place that is
//! meant to run is its *holder*; there is at most one, and
//! at most one more beside it that is to take its place. Looking after the places takes six steps:
//!
//! 1. Settle the holders that ended and that nothing follows (`restart`).
//! 2. Choose the places there should be (`replicated`, `every_node`), and empty the others.
//! 3. Fill places without a holder, and replace holders that ended, whose node is lost
//!    (`node_loss`), or that must leave their node (`tend`).
//! 4. Roll out what changed: judge what was begun, and begin as much as the policy of the
//!    service leaves room for (`update`, `standing`). A place that is being changed has a
//!    successor beside its holder (`advance`).
//! 5. Give leave to run to those that waited for it.
//! 6. Note what was given up with its node, forget what nobody needs any more (`reaper`), and
//!    note what has become stable after a crash loop (`restart`).

mod advance;
mod desk;
mod dirty;
mod every_node;
mod good;
mod node_loss;
mod place;
mod plan;
mod reaper;
mod replicated;
mod restart;
mod standing;
mod tend;
#[cfg(test)]
mod tests;
mod update;
mod verdict;

use crate::model::{IdSource, Mode, ServiceId, Timestamp};
use crate::state::State;

use desk::Desk;
use place::Places;

pub use dirty::{Dirty, dirty};
pub use plan::Plan;

/// When a service is looked at, by the clock of who looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// Since when this manager leads: what tasks did before, it has not seen itself.
    pub led_since: Timestamp,
}

/// What to write for one service, whatever its state. Applied to the same state, the plan
/// leaves nothing to do until something happens or [`Plan::wake_at`] comes; unless there was
/// more to do than fits in one change, see [`Plan::more`].
#[must_use]
pub fn reconcile_service(
    state: &State,
    service: ServiceId,
    moment: Moment,
    ids: &mut dyn IdSource,
) -> Plan {
    let Some(service) = state.service(service) else {
        return Plan::default();
    };
    let mut desk = Desk::new(state, service, moment, ids);
    let mut places = Places::of(&desk);
    if service.is_deleting() {
        reaper::remove_service(&mut desk, &mut places);
        return desk.finish();
    }
    tend::settle(&mut desk, &mut places);
    let wanted = match service.spec.mode {
        Mode::Replicated { .. } => replicated::choose(&mut desk, &mut places),
        Mode::EveryNode => every_node::choose(&mut desk, &mut places),
    };
    let mut run = update::Run::of(&mut desk, &mut places, &wanted);
    if run.is_another() {
        run.finish(&mut desk, &places, &wanted);
        return desk.finish();
    }
    for key in &wanted {
        advance::advance(&mut desk, places.at(*key), &mut run);
        tend::tend(&mut desk, places.at(*key), &mut run);
    }
    run.begin_steps(&mut desk, &mut places, &wanted);
    for key in &wanted {
        tend::promote(&mut desk, places.at(*key));
    }
    run.finish(&mut desk, &places, &wanted);
    node_loss::give_up(&mut desk, &mut places);
    reaper::forget(&mut desk, &mut places);
    restart::calm(&mut desk, &places);
    good::mark(&mut desk);
    desk.finish()
}
