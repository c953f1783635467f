// SPDX-License-Identifier: Apache-2.0
//! A whole swarm in one thread: a manager, its nodes, and what goes wrong between them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::assign::{EndpointTable, services_on, touched};
use crate::check::invariants;
use crate::control::Drainer;
use crate::liveness::Liveness;
use crate::model::*;
use crate::node_agent::ExitCause;
use crate::schedule::place;
use crate::session::ManagerOutput;
use crate::state::derive::CONVERGED;
use crate::state::{Applied, Write};
use crate::testing::World;

use super::Dice;
use super::line::{Line, send};

const TICK: Duration = Duration::from_millis(50);

pub(super) struct Play {
    pub(super) world: World,
    pub(super) dice: Dice,
    table: EndpointTable,
    liveness: Liveness,
    drainer: Drainer,
    pub(super) lines: Vec<Line>,
    /// Whether nodes were ever down: then a place may have two tasks for a while.
    pub(super) was_down: bool,
}

impl Play {
    pub(super) fn new(world: World, seed: u64) -> Play {
        let lines = world.state.nodes();
        let lines = lines.map(|node| Line::new(node.meta.id, node.status.description.clone()));
        Play {
            dice: Dice(seed),
            table: EndpointTable::new(&world.state, &|_| false),
            liveness: Liveness::new(&world.state, world.now),
            drainer: Drainer::default(),
            lines: lines.collect(),
            world,
            was_down: false,
        }
    }

    /// The manager dies, and another one leads.
    pub(super) fn change_leader(&mut self) {
        for line in &mut self.lines {
            line.cut(self.world.now, &mut self.dice);
            line.tracker = crate::assign::Tracker::default();
        }
        self.table = EndpointTable::new(&self.world.state, &|_| false);
        self.liveness = Liveness::new(&self.world.state, self.world.now);
        self.drainer = Drainer::default();
    }

    /// A task ends by itself.
    pub(super) fn end_one(&mut self) {
        let count = self.lines.len() as u64;
        let line = &mut self.lines[self.dice.below(count) as usize];
        let running: Vec<_> = line.executor.running().collect();
        if !running.is_empty() {
            let task = running[self.dice.below(running.len() as u64) as usize];
            let code = self.dice.below(2) as i32;
            line.executor
                .end(task, ExitCause::Exited, code, self.world.now);
        }
    }

    /// Whether the disk of an agent may be lost now: not while it alone knows that a task ran
    /// of which nothing is left.
    pub(super) fn can_forget(&self, which: usize) -> bool {
        let executor = &self.lines[which].executor;
        let gone = |task: &&TaskId| !executor.tasks.contains_key(task);
        executor.starts.keys().filter(gone).all(|task| {
            let task = self.world.state.task(*task);
            task.is_none_or(|task| task.status.state >= TaskState::Starting)
        })
    }

    pub(super) fn apply(&mut self, writes: Vec<Write>) {
        if !writes.is_empty() {
            let applied = self.world.apply(writes);
            assert_eq!(applied.refusal, None);
            self.follow(&applied);
        }
    }

    /// Tells nodes what a change did: only those whom it concerns.
    fn follow(&mut self, applied: &Applied) {
        self.drainer.observe([&applied.step]);
        let state = &self.world.state;
        let touched = touched(state, &applied.step.events);
        let liveness = &self.liveness;
        let all = self
            .table
            .update(state, touched.endpoints, &|node| liveness.is_suspect(node));
        for line in &mut self.lines {
            if let Some(manager) = &mut line.manager
                && (all || touched.nodes.contains(&line.node))
            {
                manager.refresh(state, &self.table, self.world.now);
            }
        }
    }

    pub(super) fn tick(&mut self) {
        self.world.now = self.world.now.after(TICK);
        for place in 0..self.lines.len() {
            self.lines[place].tick(self.world.now, &mut self.dice);
            self.listen(place);
        }
        self.watch_nodes();
        self.decide();
        for place in 0..self.lines.len() {
            self.answer(place);
        }
        self.assert_sound();
    }

    fn listen(&mut self, place: usize) {
        let now = self.world.now;
        let line = &mut self.lines[place];
        let Some(manager) = &mut line.manager else {
            return;
        };
        while line.up.front().is_some_and(|(at, _)| *at <= now) {
            let (_, message) = line.up.pop_front().expect("it is there");
            manager.receive(message, &self.world.state, now);
            if manager.is_live() {
                self.liveness.heard(&self.world.state, line.node, now);
                manager.refresh(&self.world.state, &self.table, now);
            }
        }
    }

    fn watch_nodes(&mut self) {
        let tick = self.liveness.tick(&self.world.state, self.world.now);
        let state = &self.world.state;
        let services: BTreeSet<_> = tick
            .turned
            .iter()
            .flat_map(|node| services_on(state, *node))
            .collect();
        let liveness = &self.liveness;
        let is_suspect = |node| liveness.is_suspect(node);
        if self.table.update(state, services, &is_suspect) {
            for manager in self
                .lines
                .iter_mut()
                .filter_map(|line| line.manager.as_mut())
            {
                manager.refresh(state, &self.table, self.world.now);
            }
        }
        self.apply(tick.writes);
        self.was_down |= self
            .world
            .state
            .nodes()
            .any(|node| node.status.state == NodeState::Down);
    }

    /// What the loops of the leader do.
    fn decide(&mut self) {
        let services: Vec<_> = self.world.state.services().map(|s| s.meta.id).collect();
        for service in services {
            let before = self.world.state.clone();
            self.world.reconcile(service);
            let applied = between(&before, &self.world);
            self.follow(&applied);
        }
        let writes = place(&self.world.state, self.world.now);
        self.apply(writes);
        self.release();
    }

    /// Lets tasks stop that nodes send no connections any more.
    fn release(&mut self) {
        let lines = &self.lines;
        let confirmed = |node: NodeId| {
            let line = lines.iter().find(|line| line.node == node);
            let manager = line.and_then(|line| line.manager.as_ref());
            manager.map(|end| end.ack().endpoints).unwrap_or_default()
        };
        let (state, now) = (&self.world.state, self.world.now);
        let change = self.drainer.turn(state, &confirmed, now);
        self.apply(change.map(|change| change.writes).unwrap_or_default());
    }

    fn answer(&mut self, place: usize) {
        let now = self.world.now;
        let Some(manager) = &mut self.lines[place].manager else {
            return;
        };
        for output in manager.tick(&self.world.state, now) {
            let line = &mut self.lines[place];
            match output {
                ManagerOutput::Send(message) => {
                    send(&mut line.down, message, now, &mut self.dice);
                }
                ManagerOutput::Write { report, writes } => {
                    self.apply(writes);
                    let manager = self.lines[place].manager.as_mut();
                    if let (Some(manager), Some(report)) = (manager, report) {
                        manager.committed(report, now);
                    }
                }
                ManagerOutput::Refused(refused) => panic!("an honest agent: {refused:?}"),
                ManagerOutput::Close(_) => {
                    line.cut(now, &mut self.dice);
                    return;
                }
            }
        }
    }

    fn assert_sound(&self) {
        assert_eq!(invariants(&self.world.state), []);
        let mut places = BTreeSet::new();
        for line in &self.lines {
            for (task, starts) in &line.executor.starts {
                assert!(*starts <= 1, "{task} was started {starts} times");
            }
            for task in line.executor.running() {
                let Some(task) = self.world.state.task(task) else {
                    assert!(self.was_down, "{task} runs and is forgotten");
                    continue;
                };
                let node = (task.slot == 0).then_some(line.node);
                let alone = places.insert((task.service, task.slot, node));
                assert!(alone || self.was_down, "{} runs twice", task.name);
            }
        }
    }

    /// Whether everything is as it should be and nothing is on its way.
    pub(super) fn is_settled(&self) -> bool {
        let converged = self.world.state.services().all(|service| {
            let conditions = &service.status.conditions;
            conditions
                .iter()
                .any(|fact| fact.kind == CONVERGED && fact.holds)
        });
        converged && self.lines.iter().all(|line| self.is_line_settled(line))
    }

    fn is_line_settled(&self, line: &Line) -> bool {
        let running: BTreeSet<_> = line.executor.running().collect();
        let tasks = || self.world.state.node_tasks(line.node);
        let wanted: BTreeSet<_> = tasks()
            .filter(|task| task.status.state == TaskState::Running)
            .map(|task| task.meta.id)
            .collect();
        let known: BTreeSet<_> = tasks().map(|task| task.meta.id).collect();
        let left: BTreeSet<_> = line.executor.tasks.keys().copied().collect();
        let endpoints: Vec<_> = line.held.endpoints.values().collect();
        let table: Vec<_> = self.table.all().collect();
        running == wanted
            && left.is_subset(&known)
            && line.agent.queue().is_empty()
            && endpoints == table
    }
}

/// What happened between two states to tasks and services.
fn between(before: &crate::state::State, world: &World) -> Applied {
    use crate::state::{Delta, Event, Step};
    let after = &world.state;
    let mut events = Vec::new();
    let ids = before.tasks().chain(after.tasks()).map(|task| task.meta.id);
    for id in ids.collect::<BTreeSet<_>>() {
        let (before, after) = (before.task(id).cloned(), after.task(id).cloned());
        if before != after {
            events.push(Event::Task(Delta { before, after }));
        }
    }
    let ids = before.services().chain(after.services()).map(|s| s.meta.id);
    for id in ids.collect::<BTreeSet<_>>() {
        let (before, after) = (before.service(id).cloned(), after.service(id).cloned());
        if before != after {
            events.push(Event::Service(Delta { before, after }));
        }
    }
    Applied {
        refusal: None,
        step: Step {
            revision: after.revision(),
            time: world.now,
            events: events.into(),
        },
    }
}
