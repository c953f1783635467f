// SPDX-License-Identifier: Apache-2.0
//! Which services are due for a look, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{IdSource, ServiceId, Timestamp};
use crate::orchestrate::{Dirty, Moment, dirty, reconcile_service};
use crate::session::backoff;
use crate::state::{Change, State, Step};

/// Most services looked at in one turn; their changes are proposed together.
const SERVICES_PER_TURN_MAX: usize = 256;

/// A change that should be proposed for a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The service.
    pub service: ServiceId,
    /// The change.
    pub change: Change,
}

/// Services that are due, now or at a time.
#[derive(Clone, Debug)]
pub struct Reconciler {
    /// Since when it looks; never ahead of the clock, also after that was set back.
    led_since: Option<Timestamp>,
    all: bool,
    due: BTreeSet<ServiceId>,
    wakes: BTreeSet<(Timestamp, ServiceId)>,
    wake_of: BTreeMap<ServiceId, Timestamp>,
    /// How often in a row the changes for a service were refused.
    refusals: BTreeMap<ServiceId, u32>,
}

impl Default for Reconciler {
    fn default() -> Self {
        Reconciler::new()
    }
}

impl Reconciler {
    /// At the beginning every service is due.
    #[must_use]
    pub fn new() -> Reconciler {
        Reconciler {
            led_since: None,
            all: true,
            due: BTreeSet::new(),
            wakes: BTreeSet::new(),
            wake_of: BTreeMap::new(),
            refusals: BTreeMap::new(),
        }
    }

    /// Notes what happened. `state` is the state after these steps.
    pub fn observe<'a>(&mut self, state: &State, steps: impl IntoIterator<Item = &'a Step>) {
        let events = steps.into_iter().flat_map(|step| step.events.iter());
        let Dirty { all, services } = dirty(state, events);
        self.all |= all;
        self.due.extend(services);
    }

    /// Notes that it is not known what happened.
    pub fn missed(&mut self) {
        self.all = true;
    }

    /// Makes a service due again: its change was refused, or not proposed after all.
    pub fn again(&mut self, service: ServiceId) {
        self.due.insert(service);
    }

    /// Notes that the change for a service was refused: what it was decided on has changed. Once
    /// that happens, and it is due at once; if it is refused again and again, after a wait that
    /// grows, or when something happens to the service.
    pub fn refused(&mut self, service: ServiceId, now: Timestamp, random: u64) {
        let refusals = self.refusals.entry(service).or_default();
        *refusals = refusals.saturating_add(1);
        match refusals.checked_sub(2) {
            None => self.again(service),
            Some(repeated) => {
                let time = now.after(backoff(repeated, random));
                let time = self.wake_of.get(&service).map_or(time, |at| time.min(*at));
                self.wake(service, time);
            }
        }
    }

    /// Notes that the change for a service was written.
    pub fn accepted(&mut self, service: ServiceId) {
        self.refusals.remove(&service);
    }

    /// When a service becomes due by time alone.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(time, _)| *time)
    }

    /// Whether a turn now would look at something.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.all || !self.due.is_empty() || self.wake_at().is_some_and(|time| time <= now)
    }

    /// Looks at services that are due, some of them if there are many, and gives back the
    /// changes to propose.
    pub fn turn(&mut self, state: &State, now: Timestamp, ids: &mut dyn IdSource) -> Vec<Wanted> {
        let led_since = self.led_since.map_or(now, |since| since.min(now));
        self.led_since = Some(led_since);
        if std::mem::take(&mut self.all) {
            self.due
                .extend(state.services().map(|service| service.meta.id));
        }
        while let Some((time, service)) = self.wakes.first().copied()
            && time <= now
        {
            self.forget_wake(service);
            self.due.insert(service);
        }
        let mut wanted = Vec::new();
        for _ in 0..SERVICES_PER_TURN_MAX {
            let Some(service) = self.due.pop_first() else {
                break;
            };
            wanted.extend(self.look(state, service, Moment { now, led_since }, ids));
        }
        wanted
    }

    fn look(
        &mut self,
        state: &State,
        service: ServiceId,
        moment: Moment,
        ids: &mut dyn IdSource,
    ) -> Option<Wanted> {
        let plan = reconcile_service(state, service, moment, ids);
        self.forget_wake(service);
        if let Some(time) = plan.wake_at {
            self.wake(service, time);
        }
        if plan.is_empty() {
            self.refusals.remove(&service);
            return None;
        }
        Some(Wanted {
            service,
            change: plan.into_change(moment.now),
        })
    }

    fn wake(&mut self, service: ServiceId, time: Timestamp) {
        self.forget_wake(service);
        self.wakes.insert((time, service));
        self.wake_of.insert(service, time);
    }

    fn forget_wake(&mut self, service: ServiceId) {
        if let Some(time) = self.wake_of.remove(&service) {
            self.wakes.remove(&(time, service));
        }
    }
}
