// SPDX-License-Identifier: Apache-2.0
//! Roll-outs of containers that go on whatever dies: the daemon, or the engine.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::rngs::StdRng;
use skep_sdk::v1::rollout::State;
use skep_tests::events::Events;
use skep_tests::{DEADLINE, Daemon, Engine, until};

use super::swarm::daemon;
use crate::api::{Api, id};
use crate::rollout::{create, kill_and_start, kill_seed, roll_out, rollout, until_completed};

/// Kills of the daemon.
const KILLS: usize = 3;

const REPLICAS: usize = 4;
const PARALLELISM: usize = 2;

/// What changes the version: the tag of an image.
const FLAG: &str = "--image";

/// The image of a version; it is there as soon as it is named.
fn image(engine: &Engine, version: usize) -> String {
    let image = format!("web:{version}");
    engine.docker_ok(&["tag", "skep-hello:1", &image]);
    image
}

/// Begins a service of containers, and waits for it; gives its id.
fn begin(engine: &Engine, daemon: &Daemon, api: &Api, more: &[&str]) -> String {
    let mut words = create(REPLICAS, PARALLELISM);
    let container = ["--pull", "never"];
    words.extend(container.iter().chain(more).map(|&word| word.to_owned()));
    words.push(image(engine, 0));
    daemon.skep_ok(words);
    api.service("web").meta.unwrap_or_default().id
}

/// The slots whose containers run, as the engine says.
fn running(engine: &Engine, service: &str) -> Vec<String> {
    let label = format!("label=skep.service={service}");
    let listed = engine.docker_ok(&["ps", "--filter", &label, "--format", "{{.Names}}"]);
    let slot = |name: &str| name.rsplit_once('.').map(|(slot, _)| slot.to_owned());
    listed.lines().filter_map(slot).collect()
}

/// Every slot has one container that runs, and nothing else runs.
fn has_one_each(engine: &Engine, service: &str) {
    let slots = running(engine, service);
    let each: BTreeSet<_> = slots.iter().collect();
    assert_eq!((slots.len(), each.len()), (REPLICAS, REPLICAS), "{slots:?}");
}

/// `SKEP_KILL_SEED` repeats a run as far as the machine allows.
#[test]
fn a_rollout_of_containers_goes_on_whenever_the_daemon_is_killed() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let mut random = StdRng::seed_from_u64(kill_seed());
    let mut daemon = daemon(&engine, 2);
    let api = Api::of(&daemon);
    let service = begin(&engine, &daemon, &api, &[]);
    let events = Events::of(&engine, &service, REPLICAS);
    api.converged("web");

    let mut version = 0;
    for _ in 0..KILLS {
        if version == 0 || rollout(&api).state() == State::Completed {
            version += 1;
            roll_out(&daemon, FLAG, &image(&engine, version));
        }
        kill_and_start(&mut daemon, &api, &mut random);
        events.story().had_at_least(REPLICAS - PARALLELISM);
    }
    until_completed(&api);
    let last = version.to_string();
    let story = until("the engine says so too", DEADLINE, || {
        Some(events.story()).filter(|story| story.is_all(REPLICAS, &last))
    });
    story.had_at_least(REPLICAS - PARALLELISM);
    has_one_each(&engine, &service);
    // Every slot had one task for each version, however often the daemon died.
    let tasks: BTreeSet<String> = api.tasks("web").iter().map(id).collect();
    assert_eq!(story.tasks.len(), REPLICAS * (version + 1), "{story:?}");
    assert!(tasks.is_subset(&story.tasks), "{tasks:?} {story:?}");
    eprintln!("{KILLS} kills, {version} versions");
}
