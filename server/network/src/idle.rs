// SPDX-License-Identifier: Apache-2.0
//! A data plane that carries nothing.

use std::sync::Arc;

use skep_core::model::{Revision, ServiceEndpoints, ServiceId};
use tokio::sync::watch;

use crate::plane::{DataPlane, PlaneStatus};

/// Confirms every revision at once and opens no port: for simulated nodes, of which thousands
/// share one machine.
#[derive(Debug)]
pub struct IdlePlane {
    status: watch::Sender<PlaneStatus>,
}

impl IdlePlane {
    /// A plane with nothing in effect yet.
    #[must_use]
    pub fn new() -> IdlePlane {
        IdlePlane {
            status: watch::Sender::new(PlaneStatus::default()),
        }
    }
}

impl Default for IdlePlane {
    fn default() -> Self {
        Self::new()
    }
}

impl DataPlane for IdlePlane {
    fn clear(&self) {}

    fn put(&self, _endpoints: Arc<ServiceEndpoints>) {}

    fn remove(&self, _service: ServiceId) {}

    fn commit(&self, revision: Revision) {
        self.status.send_modify(|status| status.revision = revision);
    }

    fn status(&self) -> watch::Receiver<PlaneStatus> {
        self.status.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_confirms_what_is_committed() {
        let plane = IdlePlane::new();
        let status = plane.status();
        plane.remove(ServiceId(1));
        plane.commit(Revision(7));
        assert_eq!(
            *status.borrow(),
            PlaneStatus {
                revision: Revision(7),
                problems: vec![]
            }
        );
    }
}
