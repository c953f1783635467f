// SPDX-License-Identifier: Apache-2.0
//! The whole store: what an answer means, and what a crash or a failing disk leaves of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use skep_core::model::{NodeId, ObjectId, Revision, ServiceId};
use skep_core::state::{CHANGE_WRITES_MAX, Change, Precondition, Refusal, Write};
use skep_store::fs::{Fault, Loss, RealFs, SimFs};
use skep_store::{
    DataDir, ENTRY_BYTES_MAX, Failure, Member, ProposeError, Role, Store, StoreOptions, Unavailable,
};

use crate::swarm::{change, create_service, open, open_with_swarm, services, stored};

#[tokio::test]
async fn who_is_answered_sees_what_was_answered() {
    let fs = SimFs::new(1);
    let store = open_with_swarm(&fs, 1_000).await;
    let (proposer, view) = (store.proposer(), store.view());
    let created = proposer
        .propose(create_service(7))
        .await
        .expect("an answer");
    assert_eq!(created.outcome, Ok(()));
    let state = view.state();
    assert!(state.revision() >= created.revision && view.revision() >= created.revision);
    assert_eq!(services(&state), BTreeMap::from([(7, created.revision)]));
    assert!(store.read_index().await.expect("it leads") >= created.revision);
    let steps = view
        .steps_after(Revision(created.revision.0 - 1), 10)
        .expect("kept");
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].revision, created.revision);
    assert_eq!(steps[0].events.len(), 1);

    let outdated = Change {
        preconditions: vec![Precondition::Revision(
            ObjectId::Service(ServiceId(7)),
            Revision(1),
        )],
        ..create_service(8)
    };
    let refused = proposer.propose(outdated).await.expect("an answer");
    let object = ObjectId::Service(ServiceId(7));
    assert_eq!(refused.outcome, Err(Refusal::Changed(object)));
    assert_eq!(services(&view.state()).len(), 1);
    store.shutdown().await;
}

#[tokio::test]
async fn health_says_who_leads_and_how_far_everyone_is() {
    let fs = SimFs::new(1);
    let store = open_with_swarm(&fs, 1_000).await;
    let created = store
        .proposer()
        .propose(create_service(7))
        .await
        .expect("an answer");
    assert!(store.leadership().borrow().leads());
    let health = store.health();
    assert_eq!(health.leadership.leader, Some(1));
    assert!(health.applied >= created.revision && health.failure.is_none());
    let [member] = &health.members[..] else {
        panic!("{health:?}")
    };
    assert_eq!(member.role, Role::Leader);
    assert!(member.voter && member.reachable && member.matched >= Some(created.revision.0));
    assert_eq!(member.member.address, "127.0.0.1:2377");
    store.shutdown().await;
    assert_eq!(store.leadership().borrow().role, Role::Stopped);
    assert!(
        !services(&store.view().state()).is_empty(),
        "it can still be read"
    );
    let never = Revision(created.revision.0 + 1_000);
    assert!(
        store.view().at_least(never).await.is_none(),
        "nor does anyone wait for ever"
    );
    let late = store.proposer().propose(create_service(8)).await;
    assert!(
        matches!(late, Err(ProposeError::Unavailable(Unavailable::Failed(_)))),
        "{late:?}"
    );
}

#[tokio::test]
async fn a_new_store_is_not_founded_until_it_is() {
    let fs = SimFs::new(1);
    let store = Store::open(crate::swarm::options(&fs)).await.expect("new");
    assert_eq!(store.is_founded().await, Ok(false));
    store.shutdown().await;
    drop(store);
    fs.crash(Loss::Everything);
    let store = open(&fs).await.expect("it opens");
    assert_eq!(store.is_founded().await, Ok(true));
    store.shutdown().await;
    drop(store);
    let store = open(&fs).await.expect("founding twice does nothing");
    store.shutdown().await;
}

#[tokio::test]
async fn a_change_beyond_the_limits_of_an_entry_is_refused() {
    let fs = SimFs::new(1);
    let store = open_with_swarm(&fs, 1_000).await;
    let delete = Write::DeleteService {
        service: ServiceId(1),
    };
    let many = change(vec![delete; CHANGE_WRITES_MAX + 1]);
    let refused = store.proposer().propose(many).await;
    let Err(ProposeError::TooLarge { writes, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(writes, CHANGE_WRITES_MAX + 1);
    let heavy = Change {
        caller: "x".repeat(ENTRY_BYTES_MAX).into(),
        ..Change::default()
    };
    let refused = store.proposer().propose(heavy).await;
    let Err(ProposeError::TooLarge { bytes, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(bytes > ENTRY_BYTES_MAX);
    let just_so = Change {
        caller: "x".repeat(ENTRY_BYTES_MAX - 100).into(),
        ..create_service(1)
    };
    let taken = store.proposer().propose(just_so).await.expect("an answer");
    assert_eq!(taken.outcome, Ok(()));
    store.shutdown().await;
    drop(store);
    fs.crash(Loss::Everything);
    let store = open(&fs).await.expect("it opens");
    assert_eq!(
        services(&store.view().state()),
        BTreeMap::from([(1, taken.revision)])
    );
    store.shutdown().await;
}

/// What clients know of their services: answered with a revision, or not answered.
type Known = Arc<Mutex<BTreeMap<u128, Option<Revision>>>>;

/// Creates services one after another until the store is gone.
async fn client(store: Store, first: u128, known: Known) {
    for number in first.. {
        known.lock().expect("sound").insert(number, None);
        let Ok(answer) = store.proposer().propose(create_service(number)).await else {
            return;
        };
        assert_eq!(answer.outcome, Ok(()));
        known
            .lock()
            .expect("sound")
            .insert(number, Some(answer.revision));
    }
}

/// Checks that everything answered is there as it was answered, and nothing is that nobody asked
/// for.
fn check(known: &Known, found: &BTreeMap<u128, Revision>) {
    let known = known.lock().expect("sound");
    for (number, answered) in known.iter() {
        if let Some(revision) = answered {
            assert_eq!(
                found.get(number),
                Some(revision),
                "service {number} was answered"
            );
        }
    }
    for number in found.keys() {
        assert!(
            known.contains_key(number),
            "nobody asked for service {number}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_outlives_every_crash() {
    for seed in 0..6 {
        let fs = SimFs::new(seed);
        let known = Known::default();
        let mut store = open_with_swarm(&fs, 40).await;
        for round in 0..5_u128 {
            let clients = (0..8_u128).map(|client_number| {
                let first = (round * 8 + client_number) * 1_000_000;
                tokio::spawn(client(store.clone(), first, Arc::clone(&known)))
            });
            let clients: Vec<_> = clients.collect();
            // The power goes in the midst of some operation, a different one each time.
            fs.plan(
                fs.operations() + 20 + seed * 7 + round as u64 * 31,
                Fault::PowerOff,
            );
            for client in clients {
                client.await.expect("the client saw nothing wrong");
            }
            fs.crash(
                [Loss::Random, Loss::Everything, Loss::Suffix, Loss::Nothing][round as usize % 4],
            );
            store.shutdown().await;
            store = open(&fs).await.expect("a crash is no damage");
            check(&known, &services(&store.view().state()));
        }
        store.shutdown().await;
    }
}

#[tokio::test]
async fn a_restart_finds_state_and_history_as_they_were() {
    let fs = SimFs::new(1);
    let store = open_with_swarm(&fs, 25).await;
    let mut first = None;
    for number in 1..=90 {
        let created = store
            .proposer()
            .propose(create_service(number))
            .await
            .expect("an answer");
        first.get_or_insert(created.revision);
    }
    let before = stored(&store);
    let first = first.expect("services");
    let seen = store.view().steps_after(first, usize::MAX).expect("kept");
    assert_eq!(seen.len(), 89);
    let revision = store.view().revision();
    store.shutdown().await;
    drop(store);
    fs.crash(Loss::Everything);

    let store = Store::open(crate::swarm::options(&fs))
        .await
        .expect("it opens");
    store
        .recovered(std::time::Duration::from_secs(60))
        .await
        .expect("it recovers");
    let again = store.view().steps_after(first, usize::MAX).expect("kept");
    assert_eq!(format!("{again:?}"), format!("{seen:?}"));
    // The new leader's first entry is a revision more; nothing else may differ.
    assert!(store.view().revision() > revision);
    assert_eq!(stored(&store)[1..], before[1..]);
    store.shutdown().await;
}

#[tokio::test]
async fn a_failed_sync_stops_it_and_it_says_so() {
    let fs = SimFs::new(1);
    let store = open_with_swarm(&fs, 1_000).await;
    let proposer = store.proposer();
    let mut failures = store.failures();
    fs.plan(fs.operations() + 2, Fault::Error);
    let refused = proposer
        .propose(create_service(1))
        .await
        .expect_err("not durable");
    let ProposeError::Unavailable(Unavailable::Failed(Failure::Storage(poison))) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(poison.operation, "sync");
    assert!(poison.path.starts_with(crate::swarm::DIR), "{poison}");
    let told = failures
        .wait_for(Option::is_some)
        .await
        .expect("told")
        .clone();
    assert_eq!(told, Some(Failure::Storage(poison.clone())));
    assert_eq!(store.health().failure, told);
    assert!(
        proposer.propose(create_service(2)).await.is_err(),
        "nor ever again"
    );
    assert!(store.read_index().await.is_err());
    store.shutdown().await;
    drop(store);

    let store = open(&fs).await.expect("it opens");
    let created = store
        .proposer()
        .propose(create_service(3))
        .await
        .expect("an answer");
    assert_eq!(created.outcome, Ok(()));
    store.shutdown().await;
}

#[tokio::test]
async fn a_full_disk_stops_it_and_with_room_it_goes_on() {
    let fs = SimFs::new(1);
    let store = open_with_swarm(&fs, 1_000_000).await;
    fs.set_capacity(60 << 10);
    let mut answered = BTreeMap::new();
    let refused = loop {
        let number = answered.len() as u128 + 1;
        match store.proposer().propose(create_service(number)).await {
            Ok(committed) => answered.insert(number, committed.revision),
            Err(error) => break error,
        };
    };
    let words = refused.to_string();
    assert!(
        words.contains("No space left") && words.contains("make room"),
        "{words}"
    );
    store.shutdown().await;
    drop(store);
    fs.crash(Loss::Everything);
    fs.set_capacity(u64::MAX);
    let store = open(&fs).await.expect("it opens");
    let found = services(&store.view().state());
    for (number, revision) in answered {
        assert_eq!(found.get(&number), Some(&revision));
    }
    store.shutdown().await;
}

#[tokio::test]
async fn on_a_real_disk_it_is_the_same() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let mut created = BTreeMap::new();
    for round in 0..3_u128 {
        let data = DataDir::open(&RealFs, &root.path().join("data")).expect("free");
        let store = Store::open(StoreOptions::new(data.path().join("manager"))).await;
        let store = store.expect("it opens");
        let member = Member {
            node: NodeId(1),
            address: "127.0.0.1:2377".to_owned(),
        };
        store.found(member).await.expect("founded");
        assert_eq!(services(&store.view().state()), created);
        for number in round * 20..round * 20 + 20 {
            let answer = store.proposer().propose(create_service(number)).await;
            created.insert(number, answer.expect("an answer").revision);
        }
        let waiting = store.view();
        let last = created.values().max().expect("services");
        let reached = waiting.at_least(*last).await.expect("it goes on");
        assert!(reached.revision() >= *last);
        if round == 1 {
            // As if it were killed: nobody says that it ends.
            drop(store);
        } else {
            store.shutdown().await;
        }
    }
}
