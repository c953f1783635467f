// SPDX-License-Identifier: Apache-2.0
//! Rules, one by one.

use super::*;
use crate::assign::*;

fn no_suspects(_: NodeId) -> bool {
    false
}

fn backends(world: &World, service: ServiceId, suspect: u128) -> Vec<(TaskId, BackendState)> {
    let found = service_endpoints(&world.state, service, &|node| node == NodeId(suspect));
    let backends = found.expect("it has a port").backends;
    backends
        .iter()
        .map(|backend| (backend.task, backend.state))
        .collect()
}

#[test]
fn a_task_is_a_matter_of_its_node_until_it_is_forgotten() {
    let mut world = World::with_nodes(2);
    let service = web(&mut world, "web", 8080);
    let task = assign(&mut world, service, 1);
    let has = |world: &World| {
        let set = for_node(&world.state, NodeId(1));
        (set.tasks.contains_key(&task), set.templates.len())
    };
    assert_eq!(has(&world), (true, 1));
    assert_eq!(
        for_node(&world.state, NodeId(2)),
        NodeAssignments::default()
    );
    want(&mut world, task, DesiredState::Removed);
    run(&mut world, task);
    assert_eq!(has(&world), (true, 1), "it still has to be stopped");
    world.observe(task, TaskState::Stopped);
    assert_eq!(has(&world), (true, 0), "its logs are still of use");
    world.apply([Write::DeleteTask { task }]);
    assert_eq!(has(&world), (false, 0));
}

#[test]
fn an_orphan_is_taken_from_its_node() {
    let mut world = World::with_nodes(1);
    let service = web(&mut world, "web", 8080);
    let task = assign(&mut world, service, 1);
    run(&mut world, task);
    world.apply([Write::SetNodeState {
        node: NodeId(1),
        state: NodeState::Down,
        message: "".into(),
    }]);
    world.observe(task, TaskState::Orphaned);
    assert!(for_node(&world.state, NodeId(1)).tasks.is_empty());
}

#[test]
fn backends_serve_drain_or_are_suspect() {
    let mut world = World::with_nodes(3);
    let service = web(&mut world, "web", 8080);
    let tasks = [1, 2, 3].map(|node| assign(&mut world, service, node));
    assert_eq!(backends(&world, service, 9), []);
    for task in tasks {
        run(&mut world, task);
    }
    use BackendState::{Draining, Serving, Suspect};
    let states = |states: [BackendState; 3]| tasks.into_iter().zip(states).collect::<Vec<_>>();
    assert_eq!(backends(&world, service, 9), states([Serving; 3]));
    assert_eq!(
        backends(&world, service, 2),
        states([Serving, Suspect, Serving])
    );
    want(&mut world, tasks[1], DesiredState::Stopped);
    set_state(&mut world, 3, NodeState::Down);
    assert_eq!(
        backends(&world, service, 2),
        states([Serving, Draining, Suspect])
    );
    world.observe(tasks[1], TaskState::Stopped);
    world.apply([Write::DeleteNode { node: NodeId(3) }]);
    assert_eq!(backends(&world, service, 9), [(tasks[0], Serving)]);
    let all = endpoints(&world.state, &no_suspects);
    let ports = &all[&service].backends[0].ports;
    assert_eq!(ports, &[tcp(80, 20_000, PortMode::Ingress)]);
}

#[test]
fn a_service_without_ingress_ports_answers_nowhere() {
    let mut world = World::with_nodes(1);
    let service = world.create_service(replicated("plain", 1));
    let task = assign(&mut world, service, 1);
    run(&mut world, task);
    assert!(endpoints(&world.state, &no_suspects).is_empty());
}

#[test]
fn a_change_touches_whom_it_concerns() {
    let mut world = World::with_nodes(2);
    let service = web(&mut world, "web", 8080);
    let task = assign(&mut world, service, 1);
    let after = |world: &World, applied: crate::state::Applied| {
        let touched = touched(&world.state, &applied.step.events);
        (!touched.nodes.is_empty(), !touched.endpoints.is_empty())
    };
    let applied = world.observe(task, TaskState::Starting);
    assert_eq!(after(&world, applied), (false, false), "its node said so");
    let write = running(&world, task);
    let applied = world.apply([write]);
    assert_eq!(after(&world, applied), (false, true));
    let applied = world.apply([Write::SetDesired {
        task,
        desired: DesiredState::Stopped,
    }]);
    assert_eq!(after(&world, applied), (true, true));
    let applied = world.apply([Write::SetNodeState {
        node: NodeId(2),
        state: NodeState::Down,
        message: "".into(),
    }]);
    assert_eq!(after(&world, applied), (false, false), "nothing runs there");
}

#[test]
fn what_nodes_are_welcomed_with_touches_them() {
    let mut world = World::with_nodes(2);
    let nodes = |world: &World, applied: crate::state::Applied| {
        let touched = touched(&world.state, &applied.step.events);
        touched.nodes.iter().map(|node| node.0).collect::<Vec<_>>()
    };
    let node = world.state.node(NodeId(2)).expect("it is there");
    let mut spec = NodeSpec::clone(&node.spec);
    spec.availability = Some(Availability::Pause);
    let put = |spec: &NodeSpec| Write::PutNodeSpec {
        node: NodeId(2),
        spec: Arc::new(spec.clone()),
    };
    let applied = world.apply([put(&spec)]);
    assert_eq!(nodes(&world, applied), [], "an agent need not know");
    spec.labels = Arc::new(Labels::from([("zone".to_owned(), "a".to_owned())]));
    let applied = world.apply([put(&spec)]);
    assert_eq!(nodes(&world, applied), [2]);
    let applied = world.apply([Write::PutSwarm {
        id: SwarmId(1),
        spec: Arc::new(SwarmSpec {
            heartbeat_period: Some(std::time::Duration::from_millis(500)),
            ..SwarmSpec::default()
        }),
    }]);
    assert_eq!(nodes(&world, applied), [1, 2]);
    let applied = world.apply([Write::DeleteNode { node: NodeId(2) }]);
    assert_eq!(nodes(&world, applied), [2], "its session must end");
}

#[test]
fn a_step_is_sent_once_and_resumed() {
    let mut world = World::with_nodes(1);
    let service = web(&mut world, "web", 8080);
    let task = assign(&mut world, service, 1);
    let table = EndpointTable::new(&world.state, &no_suspects);
    let mut tracker = Tracker::default();
    tracker.resume(Revision(0));
    let first = tracker
        .diff(&world.state, &table, NodeId(1))
        .expect("all of it");
    assert!(first.reset);
    assert_eq!(first.put.len(), 3, "a template, a task, endpoints");
    assert_eq!(tracker.diff(&world.state, &table, NodeId(1)), None);

    world.observe(task, TaskState::Preparing);
    assert_eq!(tracker.diff(&world.state, &table, NodeId(1)), None);
    let idle = tracker
        .progress(&world.state)
        .expect("the revision moved on");
    assert!(idle.is_empty() && idle.revision == world.state.revision());

    tracker.resume(first.revision);
    assert_eq!(tracker.diff(&world.state, &table, NodeId(1)), None);
    tracker.resume(Revision(first.revision.0 - 1));
    let again = tracker
        .diff(&world.state, &table, NodeId(1))
        .expect("all of it");
    assert!(again.reset);
}

#[test]
fn a_step_with_the_revision_of_the_one_before_is_not_taken_for_received() {
    let mut world = World::with_nodes(1);
    let service = web(&mut world, "web", 8080);
    let task = assign(&mut world, service, 1);
    run(&mut world, task);
    let mut table = EndpointTable::new(&world.state, &no_suspects);
    let mut tracker = Tracker::default();
    let first = tracker
        .diff(&world.state, &table, NodeId(1))
        .expect("all of it");
    assert!(table.update(&world.state, [service], &|_| true));
    let suspect = tracker
        .diff(&world.state, &table, NodeId(1))
        .expect("a change");
    assert_eq!(first.revision, suspect.revision);
    tracker.resume(first.revision);
    assert!(
        tracker
            .diff(&world.state, &table, NodeId(1))
            .is_some_and(|step| step.reset)
    );
}

#[test]
fn steps_are_cut_into_frames() {
    let mut world = World::with_nodes(1);
    let service = web(&mut world, "web", 8080);
    for _ in 0..50 {
        assign(&mut world, service, 1);
    }
    let table = EndpointTable::new(&world.state, &no_suspects);
    let mut tracker = Tracker::default();
    let step = tracker
        .diff(&world.state, &table, NodeId(1))
        .expect("all of it");
    let frames = step.clone().cut(1_000);
    assert!(frames.len() > 5);
    for (place, frame) in frames.iter().enumerate() {
        let bytes: usize = frame.put.iter().map(Assignment::bytes).sum();
        assert!(bytes <= 1_000 || frame.put.len() == 1);
        assert_eq!(frame.reset, place == 0);
        assert_eq!(frame.revision == Revision(0), place + 1 < frames.len());
    }
    let mut inbox = Inbox::default();
    let mut steps: Vec<_> = frames.into_iter().filter_map(|f| inbox.take(f)).collect();
    assert_eq!(steps.pop(), Some(step));
    assert!(steps.is_empty());
    assert_eq!(Assignments::default().cut(10).len(), 1);
}

#[test]
fn who_missed_too_many_departures_gets_everything() {
    let mut world = World::with_nodes(1);
    let mut table = EndpointTable::new(&world.state, &no_suspects);
    let first = web(&mut world, "first", 8080);
    table.update(&world.state, [first], &no_suspects);
    let mut seen = table.version();
    for _ in 0..=TOMBSTONES_MAX {
        let service = web(&mut world, "short", 9090);
        table.update(&world.state, [service], &no_suspects);
        seen = seen.min(table.version());
        world.apply([Write::DeleteService { service }]);
        table.update(&world.state, [service], &no_suspects);
    }
    assert!(table.after(seen).is_none());
    assert_eq!(table.after(table.version()).map(Iterator::count), Some(0));
    let all: Vec<_> = table.all().map(|endpoints| endpoints.service).collect();
    assert_eq!(all, [first]);
}

#[test]
fn a_node_does_not_go_back() {
    let mut held = Held {
        revision: Revision(7),
        ..Held::default()
    };
    let step = Assignments {
        revision: Revision(6),
        reset: true,
        ..Assignments::default()
    };
    let refusal = held.apply(step).expect_err("it is older");
    assert_eq!((refusal.held, refusal.sent), (Revision(7), Revision(6)));
    assert_eq!(held.revision, Revision(7));
}
