// SPDX-License-Identifier: Apache-2.0
//! The writing thread over a simulated disk.

use super::*;
use crate::fs::{Fault, SimFs};
use crate::log::WalOptions;
use std::path::Path;
use std::sync::mpsc;

const SMALL: WalOptions = WalOptions {
    segment_bytes_first: 16 << 10,
    segment_bytes_max: 32 << 10,
};

fn entry(index: u64) -> Record {
    let id = LogId {
        term: 1,
        node: 1,
        index,
    };
    Record::Entry {
        id,
        payload: vec![7; 500].into(),
    }
}

fn start(fs: &SimFs) -> (LogWriter, usize, mpsc::Receiver<Poison>) {
    let fs: Arc<dyn Fs> = Arc::new(fs.clone());
    let (wal, found) = Wal::open(Arc::clone(&fs), Path::new("/log"), SMALL).expect("opened");
    let (tell, told) = mpsc::channel();
    let on_poison = Box::new(move |poison: &Poison| {
        tell.send(poison.clone()).expect("the test listens");
    });
    (
        LogWriter::start(wal, fs, on_poison),
        found.entries.len(),
        told,
    )
}

fn report(index: u64, tell: &mpsc::Sender<(u64, Result<(), LogError>)>) -> Option<Done> {
    let tell = tell.clone();
    Some(Box::new(move |outcome| {
        tell.send((index, outcome)).expect("the test listens")
    }))
}

#[test]
fn many_appends_share_one_sync_and_are_told_in_order() {
    let fs = SimFs::new(1);
    let (writer, _, _poison) = start(&fs);
    let (tell, told) = mpsc::channel();
    fs.hold_syncs();
    let before = fs.operations();
    for index in 0..20 {
        writer.write(vec![entry(index)], report(index, &tell));
    }
    assert!(told.try_recv().is_err(), "nothing is durable yet");
    fs.release_syncs();
    for index in 0..20 {
        assert_eq!(told.recv().expect("told"), (index, Ok(())));
    }
    // Two batches at most (the one that was held, the rest), each a write and a sync; and
    // the preparing of the next segment, which takes four.
    assert!(
        fs.operations() - before <= 8,
        "{}",
        fs.operations() - before
    );
}

#[test]
fn it_changes_segments_and_finds_everything_again() {
    let fs = SimFs::new(1);
    let (writer, _, _poison) = start(&fs);
    let (tell, told) = mpsc::channel();
    for index in 0..300 {
        writer.write(vec![entry(index)], report(index, &tell));
    }
    for index in 0..300 {
        assert_eq!(told.recv().expect("told"), (index, Ok(())));
    }
    writer.stop();
    fs.crash(crate::fs::Loss::Everything);
    let (_, entries, _) = start(&fs);
    assert_eq!(entries, 300);
}

#[test]
fn after_a_failed_sync_it_acknowledges_nothing_and_says_why() {
    let fs = SimFs::new(1);
    let (writer, _, poison) = start(&fs);
    let (tell, told) = mpsc::channel();
    // The next operations are the write and the sync of the first batch.
    fs.plan(fs.operations() + 2, Fault::Error);
    writer.write(vec![entry(0)], report(0, &tell));
    let (_, outcome) = told.recv().expect("told");
    let LogError::Poisoned(cause) = outcome.expect_err("failed") else {
        panic!("poisoned")
    };
    assert_eq!(poison.recv().expect("told"), cause);
    assert_eq!((cause.operation, cause.disk_full), ("sync", false));
    assert!(
        cause.to_string().contains("log-00000000000000000001.wal"),
        "{cause}"
    );
    writer.write(vec![entry(1)], report(1, &tell));
    assert!(told.recv().expect("told").1.is_err());
    writer.stop();
    writer.write(vec![entry(2)], report(2, &tell));
    assert!(told.recv().expect("told").1.is_err());
}

#[test]
fn a_full_disk_stops_it_with_words() {
    let fs = SimFs::new(1);
    let (writer, _, poison) = start(&fs);
    fs.set_capacity(20 << 10);
    let (tell, told) = mpsc::channel();
    let mut acknowledged = 0;
    for index in 0..40 {
        writer.write(vec![entry(index)], report(index, &tell));
    }
    for _ in 0..40 {
        acknowledged += usize::from(told.recv().expect("told").1.is_ok());
    }
    assert!(acknowledged < 40);
    let cause = poison.recv().expect("told");
    assert!(
        cause.disk_full && cause.to_string().contains("make room"),
        "{cause}"
    );
    writer.stop();
    // With room again, everything acknowledged is there.
    fs.crash(crate::fs::Loss::Everything);
    fs.set_capacity(u64::MAX);
    let (_, entries, _) = start(&fs);
    assert!(entries >= acknowledged, "{entries} of {acknowledged}");
}

/// Whoever hears that a record was refused can ask why, also when it is refused before the
/// sync: where the segment that it needs cannot be made.
#[test]
fn why_it_stopped_is_known_before_anybody_hears_of_it() {
    let sim = SimFs::new(1);
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let (wal, _) = Wal::open(Arc::clone(&fs), Path::new("/log"), SMALL).expect("opened");
    sim.set_capacity(20 << 10);
    let (tell, told) = mpsc::channel();
    let stopped = tell.clone();
    let on_poison = Box::new(move |_: &Poison| stopped.send("stopped").expect("heard"));
    let writer = LogWriter::start(wal, fs, on_poison);
    for index in 0..40 {
        let tell = tell.clone();
        let done: Done = Box::new(move |outcome| {
            let word = if outcome.is_ok() {
                "written"
            } else {
                "refused"
            };
            tell.send(word).expect("heard");
        });
        writer.write(vec![entry(index)], Some(done));
    }
    writer.stop();
    drop((writer, tell));
    let words: Vec<&str> = told.iter().filter(|word| *word != "written").collect();
    assert_eq!(words[..2], ["stopped", "refused"]);
}
