// SPDX-License-Identifier: Apache-2.0
//! One reader after another, and what each is given.

use crate::filter::{Reference, TaskFilter};
use crate::model::*;
use crate::state::{NewTask, Step, Write};
use crate::testing::{World, replicated};

use super::*;

/// A swarm of two nodes with a service.
struct Swarm {
    world: World,
    service: ServiceId,
}

impl Swarm {
    fn new() -> Swarm {
        let mut world = World::with_nodes(2);
        let service = world.create_service(replicated("web", 4));
        Swarm { world, service }
    }

    /// A task that runs on a node.
    fn run(&mut self, node: u128) -> TaskId {
        let task = self.assign(node);
        self.world.observe(task, TaskState::Running);
        task
    }

    fn assign(&mut self, node: u128) -> TaskId {
        let task = TaskId(self.world.next_id());
        let service = self.world.state.service(self.service).expect("it is there");
        let new = NewTask {
            id: task,
            service: self.service,
            slot: u32::try_from(task.0).expect("a small number"),
            attempt: 1,
            template_revision: service.template_revision,
            node: None,
            desired: DesiredState::Running,
            restart_time: None,
            restart: RestartMemory::default(),
            step: None,
            beside: false,
        };
        let node = NodeId(node);
        self.world
            .apply([Write::CreateTask(new), Write::AssignTask { task, node }]);
        task
    }

    fn set_node(&mut self, node: u128, state: NodeState) {
        self.world.apply([Write::SetNodeState {
            node: NodeId(node),
            state,
            message: "".into(),
        }]);
    }

    /// A reader who has seen the present state.
    fn reader(&self, wanted: Wanted) -> Gather {
        let mut gather = Gather::new(wanted);
        gather.observe(&self.world.state, None::<Vec<&Step>>);
        gather
    }

    fn turn(&self, gather: &mut Gather, in_session: &[u128]) -> Vec<Order> {
        let in_session = |node: NodeId| in_session.contains(&node.0);
        gather.turn(&self.world.state, &in_session, self.world.now)
    }
}

fn following() -> Wanted {
    Wanted {
        follow: true,
        ..Wanted::default()
    }
}

fn ask(id: AskId, node: u128, tasks: &[TaskId], wanted: &Wanted) -> Order {
    Order::Ask(Ask {
        id,
        node: NodeId(node),
        tasks: tasks.to_vec(),
        follow: wanted.follow,
        tail: wanted.tail,
        since: wanted.since,
    })
}

fn node_down(node: u128) -> Order {
    Order::Gap(Gap {
        task: None,
        node: NodeId(node),
        reason: GapReason::NodeDown,
    })
}

#[test]
fn every_node_with_tasks_is_asked_once() {
    let mut swarm = Swarm::new();
    let (a, b, c) = (swarm.run(1), swarm.run(2), swarm.run(1));
    swarm.assign(2);
    let wanted = Wanted {
        tail: Some(10),
        since: Some(Timestamp(5)),
        ..Wanted::default()
    };
    let mut gather = swarm.reader(wanted.clone());
    let asks = [ask(1, 1, &[a, c], &wanted), ask(2, 2, &[b], &wanted)];
    assert_eq!(swarm.turn(&mut gather, &[1, 2]), asks);
    assert_eq!(swarm.turn(&mut gather, &[1, 2]), []);

    gather.ended(1);
    assert!(!gather.is_over(&swarm.world.state));
    gather.ended(2);
    assert!(gather.is_over(&swarm.world.state));
}

#[test]
fn the_filter_decides() {
    let mut swarm = Swarm::new();
    let (_, b) = (swarm.run(1), swarm.run(2));
    let wanted = Wanted {
        filter: TaskFilter {
            nodes: vec![Reference::parse("node-2")],
            ..TaskFilter::default()
        },
        ..Wanted::default()
    };
    let mut gather = swarm.reader(wanted.clone());
    let asks = [ask(1, 2, &[b], &wanted)];
    assert_eq!(swarm.turn(&mut gather, &[1, 2]), asks);
}

#[test]
fn who_follows_gets_new_tasks_whole() {
    let mut swarm = Swarm::new();
    let a = swarm.run(1);
    let wanted = Wanted {
        tail: Some(1),
        ..following()
    };
    let mut gather = swarm.reader(wanted.clone());
    assert_eq!(swarm.turn(&mut gather, &[1]), [ask(1, 1, &[a], &wanted)]);

    let b = swarm.assign(1);
    let ready = swarm.world.observe(b, TaskState::Ready);
    gather.observe(&swarm.world.state, Some([&ready.step]));
    let whole = Wanted {
        tail: None,
        ..wanted
    };
    assert_eq!(swarm.turn(&mut gather, &[1]), [ask(2, 1, &[b], &whole)]);
    assert!(!gather.is_over(&swarm.world.state));
}

#[test]
fn a_node_that_is_down_is_said_to_be() {
    let mut swarm = Swarm::new();
    let (a, b) = (swarm.run(1), swarm.run(2));
    swarm.set_node(2, NodeState::Down);
    let wanted = Wanted::default();
    let mut gather = swarm.reader(wanted.clone());
    let orders = [ask(1, 1, &[a], &wanted), node_down(2)];
    assert_eq!(swarm.turn(&mut gather, &[1]), orders);
    gather.ended(1);
    assert!(gather.is_over(&swarm.world.state));

    let wanted = following();
    let mut gather = swarm.reader(wanted.clone());
    let orders = [ask(1, 1, &[a], &wanted), node_down(2)];
    assert_eq!(swarm.turn(&mut gather, &[1]), orders);
    assert_eq!(swarm.turn(&mut gather, &[1]), []);
    swarm.set_node(2, NodeState::Ready);
    assert_eq!(swarm.turn(&mut gather, &[1, 2]), [ask(2, 2, &[b], &wanted)]);
}

#[test]
fn a_node_may_be_out_of_session_for_a_moment() {
    let mut swarm = Swarm::new();
    let a = swarm.run(1);
    let wanted = Wanted::default();
    let mut gather = swarm.reader(wanted.clone());
    assert_eq!(swarm.turn(&mut gather, &[]), []);
    let due = swarm.world.now.after(SESSION_GRACE);
    assert_eq!(gather.wake_at(), Some(due));
    let mut patient = gather.clone();
    assert_eq!(swarm.turn(&mut patient, &[1]), [ask(1, 1, &[a], &wanted)]);
    assert_eq!(patient.wake_at(), None);

    swarm.world.now = due;
    assert_eq!(swarm.turn(&mut gather, &[]), [node_down(1)]);
    assert_eq!(gather.wake_at(), None);
    assert!(gather.is_over(&swarm.world.state));
}

#[test]
fn lines_that_were_cut_off_go_on_after_the_last() {
    let mut swarm = Swarm::new();
    let (a, b) = (swarm.run(1), swarm.run(1));
    let wanted = Wanted {
        tail: Some(5),
        ..following()
    };
    let mut gather = swarm.reader(wanted.clone());
    swarm.turn(&mut gather, &[1]);
    assert!(gather.line(a, 7, Timestamp(70)));
    assert!(gather.line(a, 8, Timestamp(80)));
    gather.cut_off(1);

    let again = Wanted {
        tail: None,
        since: Some(Timestamp(80)),
        ..wanted.clone()
    };
    let asks = [ask(2, 1, &[b], &wanted), ask(3, 1, &[a], &again)];
    assert_eq!(swarm.turn(&mut gather, &[1]), asks);
    assert!(!gather.line(a, 8, Timestamp(80)));
    assert!(gather.line(a, 9, Timestamp(90)));
}

#[test]
fn tasks_that_are_forgotten_meanwhile_are_named() {
    let mut swarm = Swarm::new();
    let a = swarm.run(1);
    swarm.world.observe(a, TaskState::Failed);
    let mut gather = swarm.reader(Wanted::default());
    swarm.world.apply([Write::DeleteTask { task: a }]);
    let gap = Gap {
        task: Some(a),
        node: NodeId(1),
        reason: GapReason::TaskRemoved,
    };
    assert_eq!(swarm.turn(&mut gather, &[1]), [Order::Gap(gap)]);
    assert!(gather.is_over(&swarm.world.state));
}

#[test]
fn following_named_tasks_ends_with_them() {
    let mut swarm = Swarm::new();
    let a = swarm.run(1);
    let wanted = Wanted {
        filter: TaskFilter {
            tasks: vec![a],
            ..TaskFilter::default()
        },
        ..following()
    };
    let mut gather = swarm.reader(wanted.clone());
    assert_eq!(swarm.turn(&mut gather, &[1]), [ask(1, 1, &[a], &wanted)]);
    swarm.world.observe(a, TaskState::Completed);
    assert!(!gather.is_over(&swarm.world.state));
    gather.ended(1);
    assert!(gather.is_over(&swarm.world.state));
}

#[test]
fn a_task_that_never_came_so_far_is_not_asked_for() {
    let mut swarm = Swarm::new();
    let a = swarm.assign(1);
    swarm.world.observe(a, TaskState::Rejected);
    let mut gather = swarm.reader(Wanted::default());
    assert_eq!(swarm.turn(&mut gather, &[1]), []);
    assert!(gather.is_over(&swarm.world.state));
}
