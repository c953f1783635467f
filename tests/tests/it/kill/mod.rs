// SPDX-License-Identifier: Apache-2.0
//! Kills the daemon over and over while clients write, and holds it to what it acknowledged.

mod client;
mod watcher;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_sdk::v1::{ListServicesRequest, Service, ServiceSpec};
use skep_tests::{DEADLINE, Daemon, until};
use tokio::sync::watch;

use self::client::{Account, Pace, Writer};
use crate::api::Api;
use crate::rollout::kill_seed;

const KILLS: u32 = 50;
const CLIENTS: u64 = 16;

/// Most changes that are acknowledged between two kills.
const CHANGES_MAX: u64 = 24;

/// Every change that the daemon acknowledged outlives it; a change that is repeated, because
/// nobody knows what became of it, is made once; revisions only grow; a watch goes on without a
/// gap; and no place of a service ever has two processes.
///
/// `SKEP_KILL_SEED` repeats a run as far as the machine allows.
#[test]
fn nothing_acknowledged_is_lost_by_kills() {
    let seed = kill_seed();
    let start = Instant::now();
    let mut daemon = Daemon::start(1);
    let api = Api::of(&daemon);
    let (pace, changes) = Pace::new();
    let (all_ended, ended) = watch::channel(None);
    let watching = watcher::watch(api.client.clone(), ended);
    let watcher = api.start(watching);
    let writers: Vec<_> = (0..CLIENTS)
        .map(|number| Writer::new(number, seed ^ number, api.client.clone(), Arc::clone(&pace)))
        .map(|writer| api.start(writer.write()))
        .collect();

    kill_over_and_over(&mut daemon, &api, changes, seed);

    pace.end();
    let mut accounts = Vec::new();
    for writer in writers {
        let ended = api.within(DEADLINE, writer);
        accounts.push(
            ended
                .expect("a client ends")
                .expect("a client found nothing wrong"),
        );
    }
    let kept = compare(&api, &accounts);
    all_ended.send_replace(accounts.iter().map(|account| account.newest).max());
    let seen = api.within(DEADLINE, watcher);
    let seen = seen
        .expect("the watch ends")
        .expect("the watch told no lie");
    assert_eq!(
        wanted(&seen),
        wanted(&kept),
        "the watch and a listing show the same services"
    );
    check_processes(&daemon, &api, &accounts);
    let sum = |of: fn(&Account) -> u64| accounts.iter().map(of).sum::<u64>();
    eprintln!(
        "{} changes acknowledged, {} calls repeated, {} services left, {:.1?}",
        sum(|account| account.acknowledged),
        sum(|account| account.repeated),
        kept.len(),
        start.elapsed()
    );
}

/// Each kill comes once some more changes were acknowledged and some milliseconds passed; some
/// hit the daemon while it starts.
fn kill_over_and_over(
    daemon: &mut Daemon,
    api: &Api,
    mut changes: watch::Receiver<u64>,
    seed: u64,
) {
    let mut random = StdRng::seed_from_u64(seed);
    for kill in 0..KILLS {
        let goal = *changes.borrow() + random.random_range(1..=CHANGES_MAX);
        let reached = api.within(DEADLINE, changes.wait_for(|made| *made >= goal));
        reached
            .unwrap_or_else(|| panic!("no changes are acknowledged after {kill} kills"))
            .expect("there are clients");
        let moment = Duration::from_micros(random.random_range(0..20_000));
        let _ = api.within(moment, std::future::pending::<()>());
        daemon.kill();
        check_places(daemon);
        if random.random_ratio(1, 5) {
            daemon.begin_again();
            let moment = Duration::from_millis(random.random_range(0..300));
            let _ = api.within(moment, std::future::pending::<()>());
            daemon.kill();
            check_places(daemon);
        }
        daemon.start_again();
    }
}

/// No place of a service has two processes. Looked at while no daemon is there, so that nothing
/// comes and goes meanwhile.
fn check_places(daemon: &Daemon) {
    let mut places = BTreeMap::new();
    for (pid, environment) in daemon.task_environments() {
        let place = ["SKEP_SERVICE_NAME", "SKEP_SLOT"].map(|name| environment[name].clone());
        let task = environment["SKEP_TASK_ID"].clone();
        let other = places.insert(place.clone(), (pid, task.clone()));
        assert!(
            other.is_none(),
            "{place:?} has {other:?} and {:?}",
            (pid, task)
        );
    }
}

/// The services there are, after they were found to be exactly what the clients were told.
fn compare(api: &Api, accounts: &[Account]) -> BTreeMap<String, Service> {
    let expected: BTreeSet<&String> = accounts.iter().flat_map(|a| a.kept.keys()).collect();
    let services = until("deleted services are gone", DEADLINE, || {
        let request = ListServicesRequest {
            page_size: 1_000,
            ..Default::default()
        };
        let listed = api.run(api.client.services().list_services(request));
        let listed = listed.expect("services can be listed").into_inner();
        assert_eq!(listed.next_page_token, "", "all services are on one page");
        let (services, revision) = (listed.services, listed.revision);
        let newest = accounts.iter().map(|account| account.newest).max();
        assert!(
            Some(revision) >= newest,
            "revision {revision} is older than {newest:?}"
        );
        let named = |service: Service| (client::name(&service), service);
        let services: BTreeMap<String, Service> = services.into_iter().map(named).collect();
        let leaving = services.values().any(client::is_leaving);
        (!leaving).then_some(services)
    });
    let found: BTreeSet<&String> = services.keys().collect();
    assert_eq!(
        found, expected,
        "the services that clients have, no more and no less"
    );
    for (name, kept) in accounts.iter().flat_map(|account| &account.kept) {
        let meta = services[name].meta.clone().unwrap_or_default();
        assert_eq!(
            services[name].spec.as_ref(),
            Some(&kept.spec),
            "the spec of {name}"
        );
        assert_eq!(
            meta.spec_revision, kept.spec_revision,
            "who changed {name} last"
        );
        assert!(
            meta.revision >= kept.revision,
            "{name} went back to {}",
            meta.revision
        );
    }
    services
}

/// What is wanted of services, and since when: their status goes on to change.
fn wanted(services: &BTreeMap<String, Service>) -> Vec<(Option<&ServiceSpec>, u64)> {
    let since = |service: &Service| service.meta.as_ref().map_or(0, |meta| meta.spec_revision);
    let services = services.values();
    services
        .map(|service| (service.spec.as_ref(), since(service)))
        .collect()
}

/// The tasks that should run do, once each.
fn check_processes(daemon: &Daemon, api: &Api, accounts: &[Account]) {
    let kept = accounts.iter().flat_map(|account| &account.kept);
    let wanted: usize = kept
        .filter(|(_, kept)| client::runs_programs(&kept.spec))
        .map(|(name, _)| api.converged(name).len())
        .sum();
    until("only the tasks that are wanted run", DEADLINE, || {
        (daemon.task_processes().len() == wanted).then_some(())
    });
    check_places(daemon);
}
