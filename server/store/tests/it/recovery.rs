// SPDX-License-Identifier: Apache-2.0
//! Crashes and failing disks: nothing acknowledged is lost, nothing else is seen in part.

use proptest::prelude::*;
use skep_store::fs::{Fault, Loss};

use crate::log_model::Pair;

/// What a run does, one by one.
#[derive(Debug, Clone)]
enum Step {
    Entry {
        term: u64,
        bytes: usize,
    },
    Vote(u64),
    Truncate(usize),
    Purge(usize),
    Committed(usize),
    Sync,
    Crash(Loss),
    /// The power goes after so many operations.
    PowerOff {
        after: u64,
        loss: Loss,
    },
    /// The disk fails after so many operations; the process is started again, and later the
    /// power goes.
    Fail {
        after: u64,
        fault: Fault,
    },
}

fn any_loss() -> impl Strategy<Value = Loss> {
    prop_oneof![
        1 => Just(Loss::Nothing),
        1 => Just(Loss::Everything),
        1 => Just(Loss::Suffix),
        3 => Just(Loss::Random),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![8 => 0usize..300, 2 => 300usize..3000, 1 => 8000usize..20_000];
    prop_oneof![
        12 => (0u64..4, bytes).prop_map(|(term, bytes)| Step::Entry { term, bytes }),
        2 => (0u64..9).prop_map(Step::Vote),
        2 => (0usize..40).prop_map(Step::Truncate),
        2 => (0usize..40).prop_map(Step::Purge),
        1 => (0usize..40).prop_map(Step::Committed),
        8 => Just(Step::Sync),
        1 => any_loss().prop_map(Step::Crash),
        2 => (0u64..8, any_loss()).prop_map(|(after, loss)| Step::PowerOff { after, loss }),
        1 => (0u64..8, prop_oneof![Just(Fault::Error), Just(Fault::NoSpace)])
            .prop_map(|(after, fault)| Step::Fail { after, fault }),
    ]
}

/// Opens after a crash; the power may go in the midst of that too.
fn reopen(pair: &mut Pair, crash_within: Option<u64>) {
    if let Some(after) = crash_within {
        pair.fs.plan(pair.fs.operations() + after, Fault::PowerOff);
        let _ = pair.open();
        pair.fs.crash(Loss::Random);
    }
    if let Err(error) = pair.open() {
        panic!("a crash is no damage: {error}");
    }
}

fn take(pair: &mut Pair, step: &Step) {
    match step {
        Step::Entry { term, bytes } => pair.entry(*term, *bytes),
        Step::Vote(term) => pair.vote(*term),
        Step::Truncate(which) => pair.truncate(*which),
        Step::Purge(which) => pair.purge(*which),
        Step::Committed(which) => pair.committed(*which),
        Step::Sync => {
            pair.sync();
        }
        Step::Crash(loss) => {
            pair.fs.crash(*loss);
            reopen(pair, None);
        }
        Step::PowerOff { after, loss } => {
            pair.fs.plan(pair.fs.operations() + after, Fault::PowerOff);
            for _ in 0..3 {
                pair.entry(1, 700);
                pair.sync();
            }
            pair.fs.crash(*loss);
            reopen(pair, Some(after + 1));
        }
        Step::Fail { after, fault } => {
            pair.fs.plan(pair.fs.operations() + after, *fault);
            for _ in 0..3 {
                pair.entry(1, 700);
                pair.sync();
            }
            pair.fs.crash(Loss::Nothing);
            reopen(pair, None);
            // What was shown now is relied on from now on: it must outlive the power too.
            pair.fs.crash(Loss::Everything);
            reopen(pair, None);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_is_seen_in_part(
        seed: u64,
        steps in proptest::collection::vec(any_step(), 1..80),
    ) {
        let mut pair = Pair::new(seed);
        reopen(&mut pair, None);
        for step in &steps {
            take(&mut pair, step);
        }
        pair.fs.crash(Loss::Everything);
        reopen(&mut pair, None);
    }
}

/// A short life of a log that comes through every operation it knows.
fn script(pair: &mut Pair) {
    for round in 0..4 {
        pair.vote(round);
        pair.sync();
        for size in [100, 2000, 400] {
            pair.entry(round, size);
        }
        pair.sync();
        pair.committed(1);
        pair.entry(round, 3000);
        pair.truncate(3);
        pair.entry(round + 1, 10);
        pair.sync();
        pair.purge(2);
        pair.sync();
    }
}

fn operations_of_script() -> u64 {
    let mut pair = Pair::new(0);
    reopen(&mut pair, None);
    script(&mut pair);
    assert!(!pair.stopped());
    pair.fs.operations()
}

#[test]
fn the_power_may_go_at_every_operation() {
    for operation in 1..=operations_of_script() {
        for (seed, loss) in [
            (0, Loss::Everything),
            (1, Loss::Suffix),
            (2, Loss::Random),
            (3, Loss::Random),
            (4, Loss::Random),
            (5, Loss::Nothing),
        ] {
            let mut pair = Pair::new(seed);
            pair.fs.plan(operation, Fault::PowerOff);
            if pair.open().is_ok() {
                script(&mut pair);
            }
            pair.fs.crash(loss);
            reopen(&mut pair, None);
            // What a short second life acknowledges must not hang on what the first left undone.
            pair.entry(9, 10);
            assert!(pair.sync());
            pair.fs.crash(Loss::Everything);
            reopen(&mut pair, None);
            script(&mut pair);
            assert!(!pair.stopped());
        }
    }
}

#[test]
fn the_disk_may_fail_at_every_operation() {
    let operations = operations_of_script();
    for operation in 1..=operations {
        for fault in [Fault::Error, Fault::NoSpace] {
            let mut pair = Pair::new(operation);
            pair.fs.plan(operation, fault);
            if pair.open().is_ok() {
                script(&mut pair);
                if pair.stopped() {
                    // It takes no more, though the disk would.
                    pair.entry(9, 10);
                    assert!(!pair.sync());
                }
            }
            pair.fs.crash(Loss::Nothing);
            reopen(&mut pair, None);
            pair.fs.crash(Loss::Everything);
            reopen(&mut pair, None);
        }
    }
}

#[test]
fn a_disk_may_be_full_at_every_size() {
    let mut stops = 0;
    for capacity in (0..60).map(|blocks| blocks * 1024) {
        let mut pair = Pair::new(capacity);
        pair.fs.set_capacity(capacity);
        if pair.open().is_ok() {
            script(&mut pair);
            stops += usize::from(pair.stopped());
        }
        pair.fs.crash(Loss::Random);
        pair.fs.set_capacity(u64::MAX);
        reopen(&mut pair, None);
        script(&mut pair);
        assert!(!pair.stopped(), "with room again it goes on");
    }
    assert!(stops > 5, "{stops}");
}
