// SPDX-License-Identifier: Apache-2.0
//! Rules of the session, one by one.

use std::sync::Arc;
use std::time::Duration;

use crate::assign::{Assignments, EndpointTable, Tracker, Unassignment};
use crate::model::*;
use crate::node_agent::{ReportQueue, StatusReport};
use crate::session::*;
use crate::state::{NewTask, Observation, Write};
use crate::testing::{World, replicated};

fn description(world: &World) -> Arc<NodeDescription> {
    let node = world.state.node(NodeId(1)).expect("it is there");
    node.status.description.clone()
}

fn agent(world: &World) -> AgentSession {
    AgentSession::new(description(world), ReportQueue::default())
}

fn connected(world: &World) -> AgentSession {
    let mut agent = agent(world);
    assert_eq!(agent.tick(world.now), [AgentOutput::Connect]);
    agent.connected(world.now, Revision(0), []);
    agent
}

fn live(world: &World) -> AgentSession {
    let mut agent = connected(world);
    let welcome = Welcome::of(&world.state, NodeId(1)).expect("a node");
    agent.receive(ManagerMessage::Welcome(welcome), world.now);
    agent.tick(world.now);
    agent
}

fn hello(world: &World) -> AgentMessage {
    AgentMessage::Hello(Hello {
        description: description(world),
        after: Revision(0),
        acked: 0,
    })
}

fn manager(world: &World) -> ManagerSession {
    let mut manager = ManagerSession::new(NodeId(1), Tracker::default(), world.now);
    manager.receive(hello(world), &world.state, world.now);
    manager.tick(&world.state, world.now);
    manager
}

/// A task on the first node.
fn task(world: &mut World) -> TaskId {
    let name = format!("s{}", world.next_id());
    let service = world.create_service(replicated(&name, 1));
    let task = TaskId(world.next_id());
    let template_revision = world.state.revision();
    world.apply([
        Write::CreateTask(NewTask {
            id: task,
            service,
            slot: 1,
            attempt: 1,
            template_revision,
            node: None,
            desired: DesiredState::Running,
            restart_time: None,
            restart: RestartMemory::default(),
            step: None,
            beside: false,
        }),
        Write::AssignTask {
            task,
            node: NodeId(1),
        },
    ]);
    task
}

fn report(seq: u64, task: TaskId, state: TaskState) -> AgentMessage {
    let observation = Observation::of(state, Timestamp::from_millis(1));
    AgentMessage::Report(StatusReport {
        seq,
        tasks: [(task, observation)].into(),
    })
}

fn sent(outputs: Vec<ManagerOutput>) -> Vec<ManagerMessage> {
    let message = |output| match output {
        ManagerOutput::Send(message) => Some(message),
        _ => None,
    };
    outputs.into_iter().filter_map(message).collect()
}

#[test]
fn an_agent_greets_and_then_gives_signs_of_life() {
    let mut world = World::with_nodes(1);
    let mut agent = connected(&world);
    assert_eq!(agent.tick(world.now), [AgentOutput::Send(hello(&world))]);
    assert!(!agent.is_live());
    let welcome = Welcome::of(&world.state, NodeId(1)).expect("a node");
    assert_eq!(&*welcome.name, "node-1");
    agent.receive(ManagerMessage::Welcome(welcome.clone()), world.now);
    assert_eq!(agent.tick(world.now), [AgentOutput::Welcome(welcome)]);
    let next = agent.wake_at().expect("a heartbeat");
    assert_eq!(next.since(world.now), Duration::from_secs(1));
    world.now = next;
    let beat = [AgentOutput::Send(AgentMessage::Heartbeat)];
    assert_eq!(agent.tick(world.now), beat);
    assert_eq!(agent.tick(world.now), []);
}

#[test]
fn an_agent_gives_up_a_silent_manager_and_comes_again() {
    let mut world = World::with_nodes(1);
    let mut agent = live(&world);
    world.now = world.now.after(Duration::from_secs(3));
    let silent = [AgentOutput::Disconnect(SessionEnd::Silent)];
    assert_eq!(agent.tick(world.now), silent);
    assert_eq!(agent.tick(world.now), []);
    agent.disconnected(world.now, 0);
    let next = agent.wake_at().expect("another attempt");
    assert_eq!(next.since(world.now), BACKOFF_FIRST / 2);
    world.now = next;
    assert_eq!(agent.tick(world.now), [AgentOutput::Connect]);
    agent.disconnected(world.now, 0);
    let next = agent.wake_at().expect("another attempt");
    assert_eq!(next.since(world.now), BACKOFF_FIRST);
}

#[test]
fn an_agent_does_not_wait_for_ever() {
    let mut world = World::with_nodes(1);
    let mut connecting = agent(&world);
    connecting.tick(world.now);
    let mut greeting = connected(&world);
    greeting.tick(world.now);
    world.now = world.now.after(CONNECT_TIMEOUT);
    let end = [AgentOutput::Disconnect(SessionEnd::NoConnection)];
    assert_eq!(connecting.tick(world.now), end);
    assert_eq!(greeting.tick(world.now), end);
}

#[test]
fn nothing_comes_before_the_welcome() {
    let world = World::with_nodes(1);
    let mut agent = connected(&world);
    agent.tick(world.now);
    agent.receive(ManagerMessage::ReportAck(1), world.now);
    let outputs = agent.tick(world.now);
    assert!(matches!(
        outputs[..],
        [AgentOutput::Disconnect(SessionEnd::Protocol(_))]
    ));
}

#[test]
fn a_new_session_is_told_everything_again() {
    let world = World::with_nodes(1);
    let mut agent = live(&world);
    let seen = |state| Observation::of(state, world.now);
    agent.report(TaskId(1), seen(TaskState::Running));
    agent.tick(world.now);
    agent.receive(ManagerMessage::ReportAck(1), world.now);
    assert!(agent.queue().is_empty());
    agent.report(TaskId(2), seen(TaskState::Starting));
    agent.tick(world.now);

    agent.disconnected(world.now, 0);
    let later = world.now.after(BACKOFF_FIRST);
    agent.tick(later);
    let known = [1, 2].map(|task| (TaskId(task), seen(TaskState::Running)));
    agent.connected(later, Revision(7), known.clone());
    let outputs = agent.tick(later);
    let [AgentOutput::Send(AgentMessage::Hello(hello))] = &outputs[..] else {
        panic!("not a Hello: {outputs:?}");
    };
    assert_eq!((hello.after, hello.acked), (Revision(7), 1));
    let welcome = Welcome::of(&world.state, NodeId(1)).expect("a node");
    agent.receive(ManagerMessage::Welcome(welcome), later);
    let want = AgentOutput::Send(AgentMessage::Report(StatusReport {
        seq: 2,
        tasks: known.into(),
    }));
    assert_eq!(agent.tick(later).last(), Some(&want));
}

#[test]
fn half_a_step_is_forgotten_with_its_session() {
    let world = World::with_nodes(1);
    let frame = |revision, task| Assignments {
        revision: Revision(revision),
        remove: vec![Unassignment::Task(TaskId(task))],
        ..Assignments::default()
    };
    let mut agent = live(&world);
    agent.receive(ManagerMessage::Assignments(frame(0, 1)), world.now);
    assert_eq!(agent.tick(world.now), []);
    agent.disconnected(world.now, 0);
    let later = world.now.after(BACKOFF_FIRST);
    agent.tick(later);
    agent.connected(later, Revision(3), []);
    let welcome = Welcome::of(&world.state, NodeId(1)).expect("a node");
    agent.receive(ManagerMessage::Welcome(welcome), later);
    agent.tick(later);
    agent.receive(ManagerMessage::Assignments(frame(5, 2)), later);
    assert_eq!(agent.tick(later), [AgentOutput::Step(frame(5, 2))]);
}

#[test]
fn what_changed_is_said_once() {
    let world = World::with_nodes(1);
    let mut agent = live(&world);
    let mut other = NodeDescription::clone(&description(&world));
    other.hostname = "other".to_owned();
    let other = Arc::new(other);
    agent.describe(other.clone());
    agent.took_over(Revision(4));
    agent.balances_by(Revision(3));
    let ack = AssignmentsAck {
        tasks: Revision(4),
        endpoints: Revision(3),
    };
    let want = [
        AgentOutput::Send(AgentMessage::Node(other)),
        AgentOutput::Send(AgentMessage::Ack(ack)),
    ];
    assert_eq!(agent.tick(world.now), want);
    assert_eq!(agent.tick(world.now), []);
}

#[test]
fn a_manager_welcomes_describes_and_assigns() {
    let mut world = World::with_nodes(1);
    task(&mut world);
    let mut manager = ManagerSession::new(NodeId(1), Tracker::default(), world.now);
    let mut other = NodeDescription::clone(&description(&world));
    other.version = "0.2.0".to_owned();
    let greeting = AgentMessage::Hello(Hello {
        description: Arc::new(other),
        after: Revision(0),
        acked: 0,
    });
    assert!(!manager.is_live());
    manager.receive(greeting, &world.state, world.now);
    let table = EndpointTable::new(&world.state, &|_| false);
    manager.refresh(&world.state, &table, world.now);
    let outputs = manager.tick(&world.state, world.now);
    let [
        ManagerOutput::Send(ManagerMessage::Welcome(_)),
        ManagerOutput::Write {
            report: None,
            writes,
        },
        ManagerOutput::Send(ManagerMessage::Assignments(step)),
    ] = &outputs[..]
    else {
        panic!("{outputs:?}");
    };
    assert!(matches!(writes[..], [Write::DescribeNode { .. }]));
    assert!(step.reset && step.put.len() == 2);
    manager.refresh(&world.state, &table, world.now);
    assert_eq!(manager.tick(&world.state, world.now), []);
}

#[test]
fn a_manager_acknowledges_what_is_in_the_log_in_order() {
    let mut world = World::with_nodes(1);
    let (first, second) = (task(&mut world), task(&mut world));
    let mut manager = manager(&world);
    manager.receive(
        report(1, first, TaskState::Running),
        &world.state,
        world.now,
    );
    manager.receive(
        report(2, second, TaskState::Running),
        &world.state,
        world.now,
    );
    manager.receive(
        report(3, TaskId(1), TaskState::Running),
        &world.state,
        world.now,
    );
    let outputs = manager.tick(&world.state, world.now);
    let writes = |output: &ManagerOutput| match output {
        ManagerOutput::Write { report, .. } => *report,
        _ => None,
    };
    assert_eq!(
        outputs.iter().filter_map(writes).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(sent(outputs), [], "nothing is in the log yet");
    manager.committed(2, world.now);
    assert_eq!(sent(manager.tick(&world.state, world.now)), []);
    manager.committed(1, world.now);
    let ack = [ManagerMessage::ReportAck(3)];
    assert_eq!(sent(manager.tick(&world.state, world.now)), ack);
}

#[test]
fn reports_may_come_again_and_must_not_be_missing() {
    let mut world = World::with_nodes(1);
    let task = task(&mut world);
    let mut manager = manager(&world);
    let state = TaskState::Running;
    manager.receive(report(1, task, state), &world.state, world.now);
    manager.receive(report(1, task, state), &world.state, world.now);
    let outputs = manager.tick(&world.state, world.now);
    assert_eq!(outputs.len(), 1, "it is on its way to the log: {outputs:?}");
    manager.committed(1, world.now);
    manager.tick(&world.state, world.now);
    manager.receive(report(1, task, state), &world.state, world.now);
    let ack = [ManagerOutput::Send(ManagerMessage::ReportAck(1))];
    assert_eq!(manager.tick(&world.state, world.now), ack);
    manager.receive(report(3, task, TaskState::Failed), &world.state, world.now);
    let outputs = manager.tick(&world.state, world.now);
    assert!(matches!(
        outputs[..],
        [ManagerOutput::Close(SessionEnd::Protocol(_))]
    ));
}

#[test]
fn a_manager_leaves_out_what_an_agent_must_not_say() {
    let mut world = World::with_nodes(1);
    let task = task(&mut world);
    let mut manager = manager(&world);
    manager.receive(
        report(1, task, TaskState::Orphaned),
        &world.state,
        world.now,
    );
    let outputs = manager.tick(&world.state, world.now);
    assert!(matches!(outputs[0], ManagerOutput::Refused(_)));
    assert_eq!(sent(outputs), [ManagerMessage::ReportAck(1)]);
}

#[test]
fn a_manager_gives_signs_of_life_and_wants_some() {
    let mut world = World::with_nodes(1);
    let table = EndpointTable::new(&world.state, &|_| false);
    let mut manager = manager(&world);
    manager.refresh(&world.state, &table, world.now);
    manager.tick(&world.state, world.now);
    let start = world.now;
    world.now = manager.wake_at().expect("a sign of life");
    assert_eq!(world.now.since(start), Duration::from_secs(1));
    assert_eq!(
        sent(manager.tick(&world.state, world.now)),
        [ManagerMessage::Alive]
    );
    world.create_service(replicated("web", 0));
    world.now = world.now.after(Duration::from_secs(1));
    let messages = sent(manager.tick(&world.state, world.now));
    let [ManagerMessage::Assignments(progress)] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert!(progress.is_empty() && progress.revision == world.state.revision());
    world.now = start.after(Duration::from_secs(3));
    assert_eq!(
        manager.tick(&world.state, world.now),
        [ManagerOutput::Close(SessionEnd::Silent)]
    );
    assert_eq!(manager.wake_at(), None);
}

#[test]
fn a_manager_says_what_changed_of_the_node_and_when_it_is_gone() {
    let mut world = World::with_nodes(1);
    let table = EndpointTable::new(&world.state, &|_| false);
    let mut manager = manager(&world);
    manager.refresh(&world.state, &table, world.now);
    manager.tick(&world.state, world.now);
    let mut spec = NodeSpec::clone(&world.state.node(NodeId(1)).expect("it is there").spec);
    spec.labels = Arc::new([("zone".to_owned(), "a".to_owned())].into());
    world.apply([Write::PutNodeSpec {
        node: NodeId(1),
        spec: Arc::new(spec),
    }]);
    manager.refresh(&world.state, &table, world.now);
    let messages = sent(manager.tick(&world.state, world.now));
    assert!(matches!(&messages[..], [ManagerMessage::Welcome(w)] if w.labels.len() == 1));
    world.apply([Write::DeleteNode { node: NodeId(1) }]);
    manager.refresh(&world.state, &table, world.now);
    let ended = manager.tick(&world.state, world.now);
    assert_eq!(ended, dismissed(&world));
}

/// What a node is told that the swarm does not know.
fn dismissed(world: &World) -> [ManagerOutput; 2] {
    let nothing = Assignments::dismissal(world.state.revision());
    [
        ManagerOutput::Send(ManagerMessage::Assignments(nothing)),
        ManagerOutput::Close(SessionEnd::UnknownNode),
    ]
}

#[test]
fn a_node_that_was_deleted_ends_its_tasks_also_before_it_is_welcomed() {
    let world = World::with_nodes(1);
    let nothing = Assignments::dismissal(world.state.revision());
    for mut agent in [connected(&world), live(&world)] {
        agent.tick(world.now);
        agent.receive(ManagerMessage::Assignments(nothing.clone()), world.now);
        let outputs = agent.tick(world.now);
        assert_eq!(outputs, [AgentOutput::Step(nothing.clone())]);
    }
    // Before the welcome nothing else is taken.
    let mut agent = connected(&world);
    agent.tick(world.now);
    let more = Assignments {
        remove: vec![Unassignment::Task(TaskId(1))],
        ..nothing
    };
    agent.receive(ManagerMessage::Assignments(more), world.now);
    let last = agent.tick(world.now).pop();
    let closed = matches!(last, Some(AgentOutput::Disconnect(SessionEnd::Protocol(_))));
    assert!(closed, "{last:?}");
}

#[test]
fn before_there_is_a_swarm_nobody_is_told_to_end_anything() {
    let empty = crate::state::State::default();
    let world = World::with_nodes(1);
    let mut manager = ManagerSession::new(NodeId(1), Tracker::default(), world.now);
    manager.receive(hello(&world), &empty, world.now);
    assert_eq!(
        manager.tick(&empty, world.now),
        [ManagerOutput::Close(SessionEnd::UnknownNode)]
    );
}

#[test]
fn managers_hear_hello_first_and_once() {
    let world = World::with_nodes(1);
    for (first, second) in [
        (AgentMessage::Heartbeat, None),
        (hello(&world), Some(hello(&world))),
    ] {
        let mut manager = ManagerSession::new(NodeId(1), Tracker::default(), world.now);
        manager.receive(first, &world.state, world.now);
        if let Some(message) = second {
            manager.receive(message, &world.state, world.now);
        }
        let last = manager.tick(&world.state, world.now).pop();
        let closed = matches!(last, Some(ManagerOutput::Close(SessionEnd::Protocol(_))));
        assert!(closed, "{last:?}");
    }
    let mut stranger = ManagerSession::new(NodeId(9), Tracker::default(), world.now);
    stranger.receive(hello(&world), &world.state, world.now);
    assert_eq!(stranger.tick(&world.state, world.now), dismissed(&world));
}
