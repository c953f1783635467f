// SPDX-License-Identifier: Apache-2.0
//! Changes to the endpoint table that wait to take effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_core::model::{ServiceEndpoints, ServiceId};

/// Changes to the endpoint table, or a whole new one. Never larger than the table: a later
/// change to a service takes the place of an earlier one.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Changes {
    /// Services that are not named here are gone.
    pub(crate) whole: bool,
    /// What becomes of each service; nothing: it is gone.
    pub(crate) services: BTreeMap<ServiceId, Option<Arc<ServiceEndpoints>>>,
}

impl Changes {
    /// Forgets all services.
    pub(crate) fn clear(&mut self) {
        self.whole = true;
        self.services.clear();
    }

    /// Adds or replaces a service.
    pub(crate) fn put(&mut self, endpoints: Arc<ServiceEndpoints>) {
        self.services.insert(endpoints.service, Some(endpoints));
    }

    /// Forgets a service.
    pub(crate) fn remove(&mut self, service: ServiceId) {
        if self.whole {
            self.services.remove(&service);
        } else {
            self.services.insert(service, None);
        }
    }

    /// Lets `later` follow upon these.
    pub(crate) fn then(&mut self, later: Changes) {
        if later.whole {
            *self = later;
            return;
        }
        for (service, endpoints) in later.services {
            match endpoints {
                Some(endpoints) => self.put(endpoints),
                None => self.remove(service),
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::plan::Table;
    use crate::plan::tests::{endpoints, table_of};
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    pub(crate) enum Call {
        Clear,
        Put(u128, Vec<u16>),
        Remove(u128),
    }

    pub(crate) fn calls() -> impl Strategy<Value = Vec<Call>> {
        let call = prop_oneof![
            1 => Just(Call::Clear),
            6 => (0u128..5, prop::collection::vec(1u16..6, 0..4))
                .prop_map(|(id, ports)| Call::Put(id, ports)),
            3 => (0u128..5).prop_map(Call::Remove),
        ];
        prop::collection::vec(call, 0..12)
    }

    pub(crate) fn changes(calls: &[Call]) -> Changes {
        let mut changes = Changes::default();
        for call in calls {
            match call {
                Call::Clear => changes.clear(),
                Call::Put(id, ports) => changes.put(endpoints(*id, ports)),
                Call::Remove(id) => changes.remove(ServiceId(*id)),
            }
        }
        changes
    }

    proptest! {
        #[test]
        fn joined_changes_make_the_table_that_one_after_the_other_makes(
            first in calls(), second in calls(), third in calls()
        ) {
            let mut joined = changes(&second);
            joined.then(changes(&third));
            let mut together = Table::default();
            together.apply(changes(&first));
            together.apply(joined);
            let mut apart = Table::default();
            for part in [&first, &second, &third] {
                apart.apply(changes(part));
            }
            prop_assert_eq!(table_of(&together), table_of(&apart));
        }
    }
}
