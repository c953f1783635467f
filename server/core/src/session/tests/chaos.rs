// SPDX-License-Identifier: Apache-2.0
//! Whatever goes wrong, no task is started twice, and once nothing goes wrong any more, the
//! swarm is as it should be within a bound.

use std::sync::Arc;
use std::time::Duration;

use crate::model::*;
use crate::state::Write;
use crate::testing::{World, every_node, replicated, tcp};

use super::play::Play;

/// Ticks with trouble, and ticks to recover from it.
const TROUBLE_TICKS: u32 = 200;
const HEALING_TICKS: u32 = 2_400;

fn quick(mut spec: ServiceSpec) -> ServiceSpec {
    let template = Arc::make_mut(&mut spec.template);
    template.restart.delay = Some(Duration::from_millis(100));
    template.restart.max_delay = Some(Duration::from_millis(400));
    template.stop.grace = Some(Duration::from_secs(1));
    spec.update = Some(UpdatePolicy {
        monitor: Some(Duration::from_millis(100)),
        on_failure: Some(OnFailure::Continue),
        ..UpdatePolicy::default()
    });
    spec
}

fn world(down_after: Duration) -> World {
    let mut world = World::with_nodes(3);
    let swarm = world.state.swarm().expect("it is there").meta.id;
    world.apply([Write::PutSwarm {
        id: swarm,
        spec: Arc::new(SwarmSpec {
            heartbeat_period: Some(Duration::from_millis(300)),
            down_after: Some(down_after),
            ..SwarmSpec::default()
        }),
    }]);
    world.create_service(ServiceSpec {
        ports: vec![tcp(80, 8080, PortMode::Ingress)],
        ..quick(replicated("web", 4))
    });
    world.create_service(quick(every_node("agent")));
    world
}

/// One thing that goes wrong, or that somebody wants.
fn trouble(play: &mut Play) {
    let now = play.world.now;
    let which = play.dice.below(3) as usize;
    match play.dice.below(11) {
        0 | 1 => play.end_one(),
        2 => play.lines[which].lose_started(),
        9 => {
            play.lines[which].crash(now, &mut play.dice);
            play.lines[which].lose_started();
        }
        10 if play.can_forget(which) => {
            play.lines[which].forget_everything(now, &mut play.dice);
        }
        3 => {
            let span = Duration::from_millis(play.dice.below(4_000));
            play.lines[which].cut_until = now.after(span);
            play.lines[which].cut(now, &mut play.dice);
        }
        4 | 5 => play.lines[which].crash(now, &mut play.dice),
        6 => play.change_leader(),
        7 => change_service(play),
        _ => drain(play, which),
    }
}

/// Scales a service, or changes what its tasks are made from.
fn change_service(play: &mut Play) {
    let Some(service) = play.world.state.services().next().cloned() else {
        return;
    };
    let mut spec = ServiceSpec::clone(&service.spec);
    let new_template = play.dice.chance(500);
    if new_template {
        let token = play.dice.roll().to_string();
        Arc::make_mut(&mut spec.template).restart_token = token;
    } else if let Mode::Replicated { .. } = spec.mode {
        let replicas = Some(play.dice.below(6) as u32);
        spec.mode = Mode::Replicated { replicas };
    }
    let ports = service.ports.clone();
    play.apply(vec![Write::PutServiceSpec {
        service: service.meta.id,
        spec: Arc::new(spec),
        ports,
        new_template,
    }]);
}

fn drain(play: &mut Play, which: usize) {
    let node = play.lines[which].node;
    let mut spec = NodeSpec::clone(&play.world.state.node(node).expect("it is there").spec);
    spec.availability = match spec.availability {
        Some(Availability::Drain) => None,
        _ => Some(Availability::Drain),
    };
    let spec = Arc::new(spec);
    play.apply(vec![Write::PutNodeSpec { node, spec }]);
}

fn run(seed: u64, down_after: Duration) -> Play {
    let mut play = Play::new(world(down_after), seed);
    for _ in 0..TROUBLE_TICKS {
        if play.dice.chance(150) {
            trouble(&mut play);
        }
        play.tick();
    }
    for node in 1..=3 {
        let node = NodeId(node);
        let mut spec = NodeSpec::clone(&play.world.state.node(node).expect("it is there").spec);
        spec.availability = None;
        let spec = Arc::new(spec);
        play.apply(vec![Write::PutNodeSpec { node, spec }]);
    }
    for tick in 0..HEALING_TICKS {
        if play.is_settled() {
            return play;
        }
        play.tick();
        assert!(tick + 1 < HEALING_TICKS, "seed {seed} did not heal");
    }
    play
}

#[test]
fn no_task_and_no_place_runs_twice_and_all_heals() {
    for seed in 0..16 {
        let play = run(seed, Duration::from_secs(600));
        assert!(!play.was_down);
    }
}

#[test]
fn with_nodes_that_count_as_down_no_task_runs_twice_and_all_heals() {
    let mut down = 0;
    for seed in 100..116 {
        let play = run(seed, Duration::from_secs(2));
        down += u32::from(play.was_down);
    }
    assert!(down > 8, "only {down} of 16 plays had a node down");
}

#[test]
fn a_seed_tells_the_whole_play() {
    let ends = [7, 7, 8].map(|seed| {
        let play = run(seed, Duration::from_secs(2));
        format!("{:?}", play.world.state)
    });
    assert_eq!(ends[0], ends[1]);
    assert_ne!(ends[0], ends[2]);
}
