// SPDX-License-Identifier: Apache-2.0
//! Which backend a new connection goes to, and which comes next if that one does not answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use skep_core::model::{BackendState, Port, ServiceEndpoints, TaskId};

use crate::moment::Moment;

/// How long a backend that did not answer is tried only after all others. The table usually
/// says within that time what became of it.
pub(crate) const SHUN: Duration = Duration::from_secs(2);

/// Where one task answers for one published port.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) task: TaskId,
    pub(crate) address: SocketAddr,
    shunned_until: AtomicU64,
}

impl Target {
    pub(crate) fn new(task: TaskId, address: SocketAddr) -> Target {
        Target {
            task,
            address,
            shunned_until: AtomicU64::new(0),
        }
    }

    /// Notes that it did not answer.
    pub(crate) fn shun(&self, now: Moment) {
        self.shunned_until
            .store(now.after(SHUN).0, Ordering::Relaxed);
    }

    /// Notes that it answers.
    pub(crate) fn welcome(&self) {
        if self.shunned_until.load(Ordering::Relaxed) != 0 {
            self.shunned_until.store(0, Ordering::Relaxed);
        }
    }

    fn is_shunned(&self, now: Moment) -> bool {
        now.0 < self.shunned_until.load(Ordering::Relaxed)
    }

    fn identity(&self) -> (TaskId, SocketAddr) {
        (self.task, self.address)
    }
}

/// The backends of one published port, by what they may be given.
#[derive(Default, Debug)]
pub(crate) struct Targets {
    serving: Vec<Arc<Target>>,
    suspect: Vec<Arc<Target>>,
    draining: Vec<Arc<Target>>,
}

impl Targets {
    /// The backends of `port`. Those that were there `before` are the same objects, so what is
    /// known of them stays known.
    pub(crate) fn of(endpoints: &ServiceEndpoints, port: &Port, before: &Targets) -> Targets {
        let known: BTreeMap<_, _> = before
            .all()
            .map(|target| (target.identity(), target))
            .collect();
        let mut targets = Targets::default();
        for backend in &endpoints.backends {
            let matching = backend.ports.iter().find(|open| {
                open.target == port.target && open.protocol == port.protocol && open.published != 0
            });
            let Some(open) = matching else { continue };
            let address = SocketAddr::new(backend.address, open.published);
            let target = match known.get(&(backend.task, address)) {
                Some(target) => Arc::clone(target),
                None => Arc::new(Target::new(backend.task, address)),
            };
            match backend.state {
                BackendState::Serving => targets.serving.push(target),
                BackendState::Suspect => targets.suspect.push(target),
                BackendState::Draining => targets.draining.push(target),
            }
        }
        targets
    }

    /// The backends in the order in which a new connection tries them, each once.
    ///
    /// Serving ones take turns; those that just failed to answer come after the others, and
    /// suspect ones come last of all. Draining ones are not among them.
    pub(crate) fn order<'a>(&'a self, cursor: &'a Cursor, now: Moment) -> Order<'a> {
        let mut order = Order {
            groups: [&self.serving, &self.suspect],
            group: 0,
            start: 0,
            step: 0,
            put_off: Vec::new(),
            cursor,
            now,
        };
        order.start = cursor.aim(&self.serving, now);
        order
    }

    /// Whether it may be given new connections.
    pub(crate) fn offers(&self, target: &Target) -> bool {
        let mut offered = self.serving.iter().chain(&self.suspect);
        offered.any(|other| other.identity() == target.identity())
    }

    /// Whether it is still there, if only to finish what it has.
    pub(crate) fn knows(&self, target: &Target) -> bool {
        self.all()
            .any(|other| other.identity() == target.identity())
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.serving
            .iter()
            .chain(&self.suspect)
            .chain(&self.draining)
    }
}

/// Whose turn it is. Shared by all connections of a port, and kept when its backends change.
#[derive(Debug)]
pub(crate) struct Cursor(AtomicUsize);

impl Cursor {
    /// Begins at `offset`; nodes that begin at different ones do not all load the same backend
    /// first.
    pub(crate) fn new(offset: usize) -> Cursor {
        Cursor(AtomicUsize::new(offset))
    }

    /// The place in `ring` whose turn it is. Backends that did not answer lose their turn,
    /// instead of passing it to their neighbour, who would then have twice the load.
    fn aim(&self, ring: &[Arc<Target>], now: Moment) -> usize {
        let mut place = 0;
        for _ in 0..ring.len() {
            place = self.0.fetch_add(1, Ordering::Relaxed) % ring.len();
            if !ring[place].is_shunned(now) {
                break;
            }
        }
        place
    }
}

/// Iterator of [`Targets::order`].
pub(crate) struct Order<'a> {
    groups: [&'a [Arc<Target>]; 2],
    group: usize,
    start: usize,
    step: usize,
    put_off: Vec<&'a Arc<Target>>,
    cursor: &'a Cursor,
    now: Moment,
}

impl<'a> Iterator for Order<'a> {
    type Item = &'a Arc<Target>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let ring = *self.groups.get(self.group)?;
            while self.step < ring.len() {
                let target = &ring[(self.start + self.step) % ring.len()];
                self.step += 1;
                if !target.is_shunned(self.now) {
                    return Some(target);
                }
                self.put_off.push(target);
            }
            if let Some(target) = self.put_off.pop() {
                return Some(target);
            }
            self.group += 1;
            self.step = 0;
            if let Some(ring) = self.groups.get(self.group) {
                self.start = self.cursor.aim(ring, self.now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use skep_core::model::{Backend, PortMode, Protocol, ServiceId};
    use std::collections::{BTreeSet, HashMap};

    const NOW: Moment = Moment(10_000);

    fn port(target: u16, published: u16, protocol: Protocol) -> Port {
        Port {
            target,
            published,
            protocol,
            mode: PortMode::Ingress,
            name: "".into(),
        }
    }

    fn service(states: &[BackendState]) -> ServiceEndpoints {
        let backends = states.iter().enumerate().map(|(i, state)| Backend {
            task: TaskId(i as u128),
            state: *state,
            address: [10, 0, 0, 1].into(),
            ports: vec![
                port(81, 100 + i as u16, Protocol::Tcp),
                port(80, 300 + i as u16, Protocol::Udp),
                port(80, 200 + i as u16, Protocol::Tcp),
            ],
        });
        ServiceEndpoints {
            service: ServiceId(1),
            name: "web".into(),
            ports: vec![port(80, 8080, Protocol::Tcp)],
            backends: backends.collect(),
        }
    }

    fn targets(states: &[BackendState]) -> Targets {
        let service = service(states);
        Targets::of(&service, &service.ports[0], &Targets::default())
    }

    fn first(targets: &Targets, cursor: &Cursor, now: Moment) -> Option<u128> {
        targets
            .order(cursor, now)
            .next()
            .map(|target| target.task.0)
    }

    fn states() -> impl Strategy<Value = Vec<BackendState>> {
        use BackendState::{Draining, Serving, Suspect};
        prop::collection::vec(
            prop_oneof![Just(Serving), Just(Suspect), Just(Draining)],
            0..8,
        )
    }

    #[test]
    fn a_backend_is_reached_on_the_port_that_stands_for_the_target() {
        let targets = targets(&[BackendState::Serving]);
        let addresses: Vec<_> = targets
            .all()
            .map(|target| target.address.to_string())
            .collect();
        assert_eq!(addresses, ["10.0.0.1:200"]);
    }

    #[test]
    fn a_backend_without_that_port_is_none() {
        let mut service = service(&[BackendState::Serving, BackendState::Serving]);
        service.backends[0].ports.pop();
        service.backends[1].ports[2].published = 0;
        let targets = Targets::of(&service, &service.ports[0], &Targets::default());
        assert_eq!(first(&targets, &Cursor::new(0), NOW), None);
    }

    #[test]
    fn draining_backends_are_known_and_not_offered() {
        let targets = targets(&[BackendState::Draining]);
        let target = &targets.draining[0];
        assert!(targets.knows(target) && !targets.offers(target));
        assert_eq!(first(&targets, &Cursor::new(0), NOW), None);
    }

    #[test]
    fn what_is_known_of_a_backend_outlives_a_change_of_the_table() {
        use BackendState::Serving;
        let before = targets(&[Serving, Serving]);
        before.serving[0].shun(NOW);
        let service = service(&[Serving, Serving, Serving]);
        let after = Targets::of(&service, &service.ports[0], &before);
        assert!(after.serving[0].is_shunned(NOW));
        assert!(!after.serving[1].is_shunned(NOW));
    }

    #[test]
    fn a_shunned_backend_comes_last_and_is_forgiven_with_time_or_success() {
        let targets = targets(&[BackendState::Serving, BackendState::Serving]);
        targets.serving[0].shun(NOW);
        let cursor = Cursor::new(0);
        let order: Vec<_> = targets
            .order(&cursor, NOW)
            .map(|target| target.task.0)
            .collect();
        assert_eq!(order, [1, 0]);
        assert!(!targets.serving[0].is_shunned(NOW.after(SHUN)));
        targets.serving[0].welcome();
        assert!(!targets.serving[0].is_shunned(NOW));
    }

    #[test]
    fn the_turn_of_a_shunned_backend_does_not_go_to_its_neighbour() {
        let targets = targets(&[BackendState::Serving; 3]);
        targets.serving[1].shun(NOW);
        let cursor = Cursor::new(0);
        let mut counts = HashMap::new();
        for _ in 0..100 {
            *counts.entry(first(&targets, &cursor, NOW)).or_insert(0) += 1;
        }
        assert_eq!(counts, HashMap::from([(Some(0), 50), (Some(2), 50)]));
    }

    proptest! {
        #[test]
        fn every_backend_that_may_be_given_a_connection_is_tried_once(
            states in states(), shunned in prop::collection::vec(any::<bool>(), 8), start: u8
        ) {
            let targets = targets(&states);
            for target in targets.all() {
                if shunned[target.task.0 as usize] {
                    target.shun(NOW);
                }
            }
            let cursor = Cursor::new(usize::from(start));
            let order: Vec<u128> =
                targets.order(&cursor, NOW).map(|target| target.task.0).collect();
            let offered: BTreeSet<u128> = (0..states.len() as u128)
                .filter(|task| states[*task as usize] != BackendState::Draining)
                .collect();
            prop_assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), offered.clone());
            prop_assert_eq!(order.len(), offered.len());
            let rank = |task: &u128| {
                let suspect = states[*task as usize] == BackendState::Suspect;
                (suspect, shunned[*task as usize])
            };
            prop_assert!(order.iter().map(rank).is_sorted(), "{:?}", order);
        }

        #[test]
        fn turns_are_equal(count in 1usize..9, rounds in 1usize..9, start: u8) {
            let targets = targets(&vec![BackendState::Serving; count]);
            let cursor = Cursor::new(usize::from(start));
            let mut counts = HashMap::new();
            for _ in 0..count * rounds {
                *counts.entry(first(&targets, &cursor, NOW)).or_insert(0) += 1;
            }
            prop_assert_eq!(counts.len(), count);
            prop_assert!(counts.values().all(|turns| *turns == rounds));
        }
    }
}
