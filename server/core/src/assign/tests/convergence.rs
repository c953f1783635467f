// SPDX-License-Identifier: Apache-2.0
//! Whatever happens and whatever is lost, nodes end up with what they should have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::assign::*;
use crate::state::Applied;

#[derive(Clone, Debug)]
enum Deed {
    Create,
    Assign(u8, u8),
    Run(u8),
    Want(u8, DesiredState),
    End(u8, TaskState),
    Forget(u8),
    Relabel(u8),
    Delete(u8),
    Node(u8, NodeState),
    Suspect(u8),
    /// A node takes frames from its connection.
    Receive(u8, u8),
    /// The connection of a node breaks: what is on the way is lost.
    Break(u8),
}

const NODES: u8 = 3;

fn deed() -> impl Strategy<Value = Deed> {
    let any = || any::<u8>();
    let node = || 1..=NODES;
    let desired = prop_oneof![Just(DesiredState::Stopped), Just(DesiredState::Removed)];
    let end = prop_oneof![
        Just(TaskState::Completed),
        Just(TaskState::Failed),
        Just(TaskState::Orphaned)
    ];
    let state = prop_oneof![
        Just(NodeState::Ready),
        Just(NodeState::Down),
        Just(NodeState::Unknown)
    ];
    prop_oneof![
        1 => Just(Deed::Create),
        4 => (any(), node()).prop_map(|(service, node)| Deed::Assign(service, node)),
        4 => any().prop_map(Deed::Run),
        2 => (any(), desired).prop_map(|(task, desired)| Deed::Want(task, desired)),
        2 => (any(), end).prop_map(|(task, state)| Deed::End(task, state)),
        2 => any().prop_map(Deed::Forget),
        1 => any().prop_map(Deed::Relabel),
        1 => any().prop_map(Deed::Delete),
        1 => (node(), state).prop_map(|(node, state)| Deed::Node(node, state)),
        1 => node().prop_map(Deed::Suspect),
        4 => (node(), 1..6u8).prop_map(|(node, frames)| Deed::Receive(node, frames)),
        1 => node().prop_map(Deed::Break),
    ]
}

/// One node and its connection.
#[derive(Default)]
struct Line {
    tracker: Tracker,
    on_the_way: VecDeque<Assignments>,
    inbox: Inbox,
    held: Held,
}

struct Play {
    world: World,
    table: EndpointTable,
    suspects: BTreeSet<NodeId>,
    lines: BTreeMap<NodeId, Line>,
    names: u32,
}

impl Play {
    fn new() -> Play {
        let world = World::with_nodes(NODES);
        let lines = (1..=NODES).map(|node| (NodeId(u128::from(node)), Line::default()));
        let table = EndpointTable::new(&world.state, &|_| false);
        let mut play = Play {
            world,
            table,
            suspects: BTreeSet::new(),
            lines: lines.collect(),
            names: 0,
        };
        let all: Vec<_> = play.lines.keys().copied().collect();
        play.send(&all);
        play
    }

    fn service(&self, pick: u8) -> Option<ServiceId> {
        let all: Vec<_> = self.world.state.services().map(|s| s.meta.id).collect();
        (!all.is_empty()).then(|| all[usize::from(pick) % all.len()])
    }

    fn task(&self, pick: u8) -> Option<TaskId> {
        let all: Vec<_> = self.world.state.tasks().map(|t| t.meta.id).collect();
        (!all.is_empty()).then(|| all[usize::from(pick) % all.len()])
    }

    fn act(&mut self, deed: &Deed) {
        let node = |number: &u8| NodeId(u128::from(*number));
        match deed {
            Deed::Suspect(number) => self.suspect(node(number)),
            Deed::Receive(number, frames) => self.receive(node(number), usize::from(*frames)),
            Deed::Break(number) => self.reconnect(node(number)),
            Deed::Assign(service, number) => {
                if let Some(service) = self.service(*service) {
                    let before = self.world.clone();
                    assign(&mut self.world, service, u128::from(*number));
                    self.replay(before);
                }
            }
            Deed::Relabel(service) => {
                if let Some(service) = self.service(*service) {
                    let before = self.world.clone();
                    let value = self.world.next_id().to_string();
                    relabel(&mut self.world, service, &value);
                    self.replay(before);
                }
            }
            _ => {
                if let Some(write) = self.write(deed) {
                    let applied = self.world.apply([write]);
                    self.follow(&applied);
                }
            }
        }
    }

    /// What a deed writes; nothing if there is nothing to do it to.
    fn write(&mut self, deed: &Deed) -> Option<Write> {
        Some(match deed {
            Deed::Create => {
                self.names += 1;
                let ports = vec![tcp(80, 8000 + self.names as u16, PortMode::Ingress)];
                Write::CreateService {
                    id: ServiceId(self.world.next_id()),
                    spec: Arc::new(replicated(&format!("s{}", self.names), 1)),
                    ports,
                }
            }
            Deed::Run(task) => running(&self.world, self.task(*task)?),
            Deed::Want(task, desired) => Write::SetDesired {
                task: self.task(*task)?,
                desired: *desired,
            },
            Deed::End(task, state) => Write::ObserveTask {
                task: self.task(*task)?,
                observation: Observation::of(*state, self.world.now),
            },
            Deed::Forget(task) => {
                let task = self.task(*task)?;
                self.world
                    .state
                    .task(task)
                    .filter(|task| task.is_terminal())?;
                Write::DeleteTask { task }
            }
            Deed::Delete(service) => Write::DeleteService {
                service: self.service(*service)?,
            },
            Deed::Node(number, state) => Write::SetNodeState {
                node: NodeId(u128::from(*number)),
                state: *state,
                message: "".into(),
            },
            _ => return None,
        })
    }

    /// Follows a change that a helper made: by what differs between two states.
    fn replay(&mut self, before: World) {
        let mut events = Vec::new();
        for task in self.world.state.tasks() {
            let old = before.state.task(task.meta.id).cloned();
            events.push(crate::state::Event::Task(crate::state::Delta {
                before: old,
                after: Some(task.clone()),
            }));
        }
        for service in self.world.state.services() {
            let old = before.state.service(service.meta.id).cloned();
            events.push(crate::state::Event::Service(crate::state::Delta {
                before: old,
                after: Some(service.clone()),
            }));
        }
        let step = crate::state::Step {
            revision: self.world.state.revision(),
            time: self.world.now,
            events: events.into(),
        };
        self.follow(&Applied {
            refusal: None,
            step,
        });
    }

    /// What a manager does after a change: only whom it touches is looked at.
    fn follow(&mut self, applied: &Applied) {
        let touched = touched(&self.world.state, &applied.step.events);
        let suspects = self.suspects.clone();
        let changed = self
            .table
            .update(&self.world.state, touched.endpoints, &|node| {
                suspects.contains(&node)
            });
        let nodes: Vec<_> = if changed {
            self.lines.keys().copied().collect()
        } else {
            touched.nodes.into_iter().collect()
        };
        self.send(&nodes);
    }

    fn suspect(&mut self, node: NodeId) {
        if !self.suspects.remove(&node) {
            self.suspects.insert(node);
        }
        let suspects = self.suspects.clone();
        let services = services_on(&self.world.state, node);
        self.table.update(&self.world.state, services, &|node| {
            suspects.contains(&node)
        });
        let all: Vec<_> = self.lines.keys().copied().collect();
        self.send(&all);
    }

    fn send(&mut self, nodes: &[NodeId]) {
        for node in nodes {
            let Some(line) = self.lines.get_mut(node) else {
                continue;
            };
            let step = line.tracker.diff(&self.world.state, &self.table, *node);
            let step = step.or_else(|| line.tracker.progress(&self.world.state));
            line.on_the_way
                .extend(step.into_iter().flat_map(|step| step.cut(300)));
        }
    }

    fn receive(&mut self, node: NodeId, frames: usize) {
        let line = self.lines.get_mut(&node).expect("a node");
        for _ in 0..frames {
            let Some(frame) = line.on_the_way.pop_front() else {
                return;
            };
            if let Some(step) = line.inbox.take(frame) {
                line.held.apply(step).expect("the manager does not go back");
            }
        }
    }

    fn reconnect(&mut self, node: NodeId) {
        let line = self.lines.get_mut(&node).expect("a node");
        line.on_the_way.clear();
        line.inbox = Inbox::default();
        line.tracker.resume(line.held.revision);
        self.send(&[node]);
    }

    /// What is on its way is all that nodes still need: whom a change did not touch, it did not
    /// concern.
    fn assert_converged(&mut self) {
        let nodes: Vec<_> = self.lines.keys().copied().collect();
        let suspects = self.suspects.clone();
        let all = endpoints(&self.world.state, &|node| suspects.contains(&node));
        for node in nodes {
            self.receive(node, usize::MAX);
            let held = &self.lines[&node].held;
            let mut wanted = for_node(&self.world.state, node);
            for (id, task) in &mut wanted.tasks {
                task.state = held.tasks.get(id).map_or(task.state, |task| task.state);
            }
            assert_eq!(held.tasks, wanted.tasks);
            assert_eq!(held.templates, wanted.templates);
            let held_endpoints = held.endpoints.iter();
            let held_endpoints: BTreeMap<_, _> = held_endpoints
                .map(|(service, endpoints)| (*service, endpoints.as_ref().clone()))
                .collect();
            assert_eq!(held_endpoints, all);
            let line = self.lines.get_mut(&node).expect("a node");
            line.tracker.progress(&self.world.state);
            assert_eq!(line.tracker.sent(), Some(self.world.state.revision()));
        }
    }
}

proptest! {
    #[test]
    fn nodes_end_up_with_what_they_should_have(
        deeds in prop::collection::vec(deed(), 0..80),
    ) {
        let mut play = Play::new();
        for deed in &deeds {
            play.act(deed);
        }
        play.assert_converged();
    }
}
