// SPDX-License-Identifier: Apache-2.0
//! The test suite that the Raft library brings for logs and state machines.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tokio::sync::mpsc;

use super::log_store::LogStore;
use super::machine::Machine;
use super::types::Types;
use crate::fs::{Fs, SimFs};
use crate::log::WalOptions;
use crate::snapshot::{Content, Snapshots};

struct OnSimulatedDisk;

impl StoreBuilder<Types, LogStore, Machine, mpsc::Receiver<Content>> for OnSimulatedDisk {
    async fn build(
        &self,
    ) -> Result<(mpsc::Receiver<Content>, LogStore, Machine), StorageError<Types>> {
        let fs: Arc<dyn Fs> = Arc::new(SimFs::new(7));
        let options = WalOptions {
            segment_bytes_first: 8 << 10,
            segment_bytes_max: 16 << 10,
        };
        let on_poison = Box::new(|poison: &_| panic!("{poison}"));
        let log =
            LogStore::open(&fs, Path::new("/store/log"), options, on_poison).expect("a new log");
        let (snapshots, content) =
            Snapshots::open(&fs, Path::new("/store/snapshots")).expect("no snapshots");
        let (job, due) = mpsc::channel(1);
        let ready = Arc::new(AtomicBool::new(false));
        let machine = Machine::new(content, Arc::new(snapshots), job, ready);
        Ok((due, log, machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_library_finds_nothing_wrong() {
    Suite::test_all(OnSimulatedDisk)
        .await
        .expect("the suite passes");
}
