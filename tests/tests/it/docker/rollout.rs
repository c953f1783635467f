// SPDX-License-Identifier: Apache-2.0
//! Roll-outs of containers that go on whatever dies: the daemon, or the engine.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use skep_sdk::v1::rollout::State;
use skep_sdk::v1::{GetNodeRequest, Task};
use skep_tests::events::Events;
use skep_tests::{DEADLINE, Daemon, Engine, until};

use super::swarm::daemon;
use crate::api::{Api, id};
use crate::rollout::{create, kill_and_start, kill_seed, roll_out, rollout, until_completed};
use crate::traffic::{Load, PORT};

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

/// The slots of the containers that run, by the word of the kernel: an engine that has just come
/// back still lists some that ended meanwhile.
fn running(engine: &Engine, service: &str) -> Vec<String> {
    let label = format!("label=skep.service={service}");
    let listed = engine.docker_ok(&["ps", "-q", "--filter", &label]);
    let slot = |container: &str| {
        // One that is removed meanwhile has no words.
        let asked = engine.docker(&["inspect", "--format", "{{.Name}} {{.State.Pid}}", container]);
        let words = String::from_utf8_lossy(&asked.stdout);
        let (name, pid) = words.trim().split_once(' ')?;
        let (slot, _) = name.trim_start_matches('/').rsplit_once('.')?;
        let lives = pid != "0" && Path::new("/proc").join(pid).exists();
        lives.then(|| slot.to_owned())
    };
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

/// Whether both nodes say that they cannot reach their engine.
fn is_troubled(api: &Api) -> bool {
    let troubled = ["node-1", "node-2"].map(|name| {
        let request = GetNodeRequest {
            node: name.to_owned(),
            ..Default::default()
        };
        let answer = api.run(api.client.nodes().get_node(request));
        let node = answer.expect("the node is there").into_inner().node;
        let status = node.and_then(|node| node.status).unwrap_or_default();
        let mut conditions = status.conditions.iter();
        conditions.any(|condition| condition.r#type == "ENGINE_UNREACHABLE")
    });
    troubled[0] && troubled[1]
}

/// A roll-out under load in whose middle the engine goes, and comes back; then it completes. Says
/// whether tasks ended with the engine.
fn outlives_its_engine(engine: &Engine) -> bool {
    let daemon = daemon(engine, 2);
    let api = Api::of(&daemon);
    let port = format!("{PORT}:8080");
    let more = ["-p", &port];
    let service = begin(engine, &daemon, &api, &more);
    api.converged("web");
    let nodes = [0, 1].map(|number| SocketAddr::from((daemon.node_address(number), PORT)));
    let load = Load::on(&nodes);
    load.goes_on();

    roll_out(&daemon, FLAG, &image(engine, 1));
    until("some tasks are new, and some old", DEADLINE, || {
        let status = api.service("web").status.unwrap_or_default();
        let some = 1..u32::try_from(REPLICAS).expect("few");
        some.contains(&status.updated_tasks).then_some(())
    });
    engine.stop();
    until("the nodes say so", DEADLINE, || {
        is_troubled(&api).then_some(())
    });
    assert_ne!(rollout(&api).state(), State::Completed);
    engine.start_again();
    settles(engine, &api, &service);
    assert!(!is_troubled(&api));
    load.goes_on();
    drop(load);
    // Whoever asks from now on is answered.
    let load = Load::on(&nodes);
    load.goes_on();
    load.lost_nothing();
    let reason = |task: &Task| task.status.clone().unwrap_or_default().reason;
    let tasks = api.tasks("web");
    tasks.iter().any(|task| reason(task) == "ENGINE_LOST")
}

/// Waits until all slots run what is rolled out, and never sees one run twice. What ended with the
/// engine does not count as failed: nobody has to tell the roll-out to go on.
fn settles(engine: &Engine, api: &Api, service: &str) {
    until("the roll-out ends", DEADLINE, || {
        let slots = running(engine, service);
        let each: BTreeSet<_> = slots.iter().collect();
        assert_eq!(slots.len(), each.len(), "a slot runs twice: {slots:?}");
        let rollout = rollout(api);
        let goes_on = rollout.state() == State::Updating || slots.len() < REPLICAS;
        (!goes_on).then_some(())
    });
    until_completed(api);
    has_one_each(engine, service);
}

#[test]
fn a_rollout_outlives_an_engine_that_leaves_its_containers() {
    if let Some(engine) = Engine::start(&["--live-restore"]) {
        // A start that it was in the middle of may have ended with it, or none.
        let _ = outlives_its_engine(&engine);
    }
}

#[test]
fn a_rollout_outlives_an_engine_that_takes_its_containers_along() {
    if let Some(engine) = Engine::start(&[]) {
        assert!(outlives_its_engine(&engine));
    }
}
