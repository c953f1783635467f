// SPDX-License-Identifier: Apache-2.0
//! Where services answer, kept up to date, with what changed since when.
//!
//! Every node gets all of it, so what was sent to each is remembered as one number.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{NodeId, ServiceEndpoints, ServiceId};
use crate::state::State;

use super::service_endpoints;

/// How many services that went away are remembered. A node that is further behind gets
/// everything anew.
pub const TOMBSTONES_MAX: usize = 1_000;

#[derive(Clone, Debug)]
struct Entry {
    version: u64,
    /// Nothing: it has no ingress ports any more.
    endpoints: Option<Arc<ServiceEndpoints>>,
}

/// Where services answer. Versions count its changes; they mean nothing beyond this table.
#[derive(Clone, Default, Debug)]
pub struct EndpointTable {
    version: u64,
    entries: BTreeMap<ServiceId, Entry>,
    order: BTreeMap<u64, ServiceId>,
    tombstones: usize,
    /// Who has seen no more than this may miss a service that went away.
    forgotten: u64,
}

impl EndpointTable {
    /// Where services answer in this state.
    #[must_use]
    pub fn new(state: &State, suspect: &dyn Fn(NodeId) -> bool) -> EndpointTable {
        let mut table = EndpointTable::default();
        let all: Vec<_> = state.services().map(|service| service.meta.id).collect();
        table.update(state, all, suspect);
        table
    }

    /// Looks again at these services; says whether anything changed.
    pub fn update(
        &mut self,
        state: &State,
        services: impl IntoIterator<Item = ServiceId>,
        suspect: &dyn Fn(NodeId) -> bool,
    ) -> bool {
        let before = self.version;
        for service in services {
            let present = service_endpoints(state, service, suspect);
            let known = self.get(service).map(AsRef::as_ref);
            if known != present.as_ref() {
                self.put(service, present.map(Arc::new));
            }
        }
        self.bury();
        self.version != before
    }

    fn put(&mut self, service: ServiceId, endpoints: Option<Arc<ServiceEndpoints>>) {
        self.version += 1;
        self.tombstones += usize::from(endpoints.is_none());
        let entry = Entry {
            version: self.version,
            endpoints,
        };
        self.order.insert(self.version, service);
        if let Some(before) = self.entries.insert(service, entry) {
            self.order.remove(&before.version);
            self.tombstones -= usize::from(before.endpoints.is_none());
        }
    }

    /// Forgets the oldest of too many services that went away.
    fn bury(&mut self) {
        if self.tombstones <= TOMBSTONES_MAX {
            return;
        }
        let gone = |service: &ServiceId| {
            let entry = self.entries.get(service);
            entry.is_some_and(|entry| entry.endpoints.is_none())
        };
        let surplus = self.tombstones - TOMBSTONES_MAX;
        let oldest: Vec<_> = self
            .order
            .iter()
            .filter(|(_, service)| gone(service))
            .take(surplus)
            .map(|(version, service)| (*version, *service))
            .collect();
        for (version, service) in oldest {
            self.order.remove(&version);
            self.entries.remove(&service);
            self.tombstones -= 1;
            self.forgotten = version;
        }
    }

    /// The number of changes so far.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Where a service answers.
    #[must_use]
    pub fn get(&self, service: ServiceId) -> Option<&Arc<ServiceEndpoints>> {
        self.entries.get(&service)?.endpoints.as_ref()
    }

    /// Where services answer, by service.
    pub fn all(&self) -> impl Iterator<Item = &Arc<ServiceEndpoints>> {
        self.entries
            .values()
            .filter_map(|entry| entry.endpoints.as_ref())
    }

    /// What changed after a version: of each service where it answers, or that it does not any
    /// more. Nothing if that is not known any more.
    pub fn after(
        &self,
        version: u64,
    ) -> Option<impl Iterator<Item = (ServiceId, Option<&Arc<ServiceEndpoints>>)>> {
        if version < self.forgotten || version > self.version {
            return None;
        }
        let changed = self.order.range(version + 1..);
        Some(changed.map(|(_, service)| (*service, self.get(*service))))
    }
}
