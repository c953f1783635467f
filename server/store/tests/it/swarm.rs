// SPDX-License-Identifier: Apache-2.0
//! A store under test, and the changes that tests put into it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use skep_core::model::{NodeId, Revision, ServiceId, SwarmId, SwarmSpec, Timestamp};
use skep_core::state::{Change, State, Write};
use skep_core::testing::replicated;
use skep_store::fs::{Fs, SimFs};
use skep_store::log::WalOptions;
use skep_store::{Member, OpenError, Store, StoreOptions};

/// Where the store under test lies.
pub(crate) const DIR: &str = "/data/manager";

/// The options of a store on this disk, with small segments, that dies with the disk's life.
pub(crate) fn options(fs: &SimFs) -> StoreOptions {
    StoreOptions {
        fs: Arc::new(fs.for_one_life()),
        wal: WalOptions {
            segment_bytes_first: 16 << 10,
            segment_bytes_max: 64 << 10,
        },
        kept_entries: 10,
        ..StoreOptions::new(DIR)
    }
}

/// Opens the store on this disk, founds it if that was not done, and waits until it shows
/// everything.
pub(crate) async fn open(fs: &SimFs) -> Result<Store, OpenError> {
    let store = Store::open(options(fs)).await?;
    let member = Member {
        node: NodeId(1),
        address: "127.0.0.1:2377".to_owned(),
    };
    store.found(member).await.expect("it is founded");
    store
        .recovered(std::time::Duration::from_secs(60))
        .await
        .expect("it recovers");
    Ok(store)
}

/// A store with a swarm in it that writes a snapshot after so many entries.
pub(crate) async fn open_with_swarm(fs: &SimFs, snapshot_interval: u32) -> Store {
    let store = open(fs).await.expect("it opens");
    let spec = SwarmSpec {
        snapshot_interval: Some(snapshot_interval),
        ..SwarmSpec::default()
    };
    let write = Write::PutSwarm {
        id: SwarmId(1),
        spec: Arc::new(spec),
    };
    let put = store.proposer().propose(change([write])).await;
    assert_eq!(put.expect("an answer").outcome, Ok(()));
    store
}

pub(crate) fn change(writes: impl IntoIterator<Item = Write>) -> Change {
    Change {
        writes: writes.into_iter().collect(),
        time: Timestamp::from_millis(1_000_000),
        ..Change::default()
    }
}

pub(crate) fn create_service(number: u128) -> Change {
    change([Write::CreateService {
        id: ServiceId(number),
        spec: Arc::new(replicated(&format!("service-{number}"), 1)),
        ports: Vec::new(),
    }])
}

/// The services of a state: when each was created.
pub(crate) fn services(state: &State) -> BTreeMap<u128, Revision> {
    let service = |service: &Arc<skep_core::model::Service>| {
        (service.meta.id.0, service.meta.create_revision)
    };
    state.services().map(service).collect()
}

/// Everything that is stored of a state and of its history.
pub(crate) fn stored(store: &Store) -> Vec<Vec<u8>> {
    let now = store.view().now();
    skep_wire::stored::snapshot_records(&now.state, &now.history).collect()
}

/// The files of a directory of the store.
pub(crate) fn files(fs: &SimFs, dir: &str) -> Vec<PathBuf> {
    let dir = Path::new(DIR).join(dir);
    let names = fs.list(&dir).expect("the directory is there");
    names.iter().map(|name| dir.join(name)).collect()
}
