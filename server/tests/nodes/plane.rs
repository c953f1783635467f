// SPDX-License-Identifier: Apache-2.0
//! A data plane that remembers what it was told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use skep_core::model::{BackendState, Revision, ServiceEndpoints, ServiceId, TaskId};
use skep_network::{DataPlane, PlaneStatus};
use tokio::sync::watch;

type Table = BTreeMap<ServiceId, Arc<ServiceEndpoints>>;

/// Carries nothing.
pub(crate) struct Recorder {
    staged: Mutex<Table>,
    committed: Mutex<Table>,
    status: watch::Sender<PlaneStatus>,
}

impl Recorder {
    pub(crate) fn new() -> Recorder {
        Recorder {
            staged: Mutex::default(),
            committed: Mutex::default(),
            status: watch::Sender::default(),
        }
    }

    /// The backends of a service, as far as they were committed.
    pub(crate) fn backends(&self, service: ServiceId) -> BTreeMap<TaskId, BackendState> {
        let table = self.committed.lock().expect("no test panicked");
        let backends = table.get(&service).map(|known| known.backends.clone());
        let backends = backends.into_iter().flatten();
        backends.map(|known| (known.task, known.state)).collect()
    }
}

impl DataPlane for Recorder {
    fn clear(&self) {
        self.staged.lock().expect("no test panicked").clear();
    }

    fn put(&self, endpoints: Arc<ServiceEndpoints>) {
        let mut staged = self.staged.lock().expect("no test panicked");
        staged.insert(endpoints.service, endpoints);
    }

    fn remove(&self, service: ServiceId) {
        let mut staged = self.staged.lock().expect("no test panicked");
        staged.remove(&service);
    }

    fn commit(&self, revision: Revision) {
        let staged = self.staged.lock().expect("no test panicked").clone();
        *self.committed.lock().expect("no test panicked") = staged;
        self.status.send_modify(|status| status.revision = revision);
    }

    fn status(&self) -> watch::Receiver<PlaneStatus> {
        self.status.subscribe()
    }
}
