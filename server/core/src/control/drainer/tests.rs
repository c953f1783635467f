// SPDX-License-Identifier: Apache-2.0
//! Whom a task that is to stop waits for, and for how long.

use std::collections::BTreeMap;

use crate::check::{invariants, step};
use crate::model::{DesiredState, Port, PortMode, RestartMemory, TaskState};
use crate::state::{NewTask, Observation};
use crate::testing::{World, replicated, tcp};

use super::*;

/// A manager's loop, and what nodes have confirmed.
struct Bench {
    world: World,
    drainer: Drainer,
    confirmed: BTreeMap<NodeId, Revision>,
}

impl Bench {
    /// A swarm of three nodes.
    fn new() -> Bench {
        Bench {
            world: World::with_nodes(3),
            drainer: Drainer::default(),
            confirmed: BTreeMap::new(),
        }
    }

    /// A task that runs on the first node, with these ports open.
    fn run(&mut self, name: &str, ports: Vec<Port>) -> TaskId {
        let mut spec = replicated(name, 1);
        spec.ports.clone_from(&ports);
        for port in &mut spec.ports {
            port.published =
                8_000 + u16::try_from(self.world.state.services().count()).unwrap_or(0);
        }
        let service = self.world.create_service(spec);
        let made_from = self.world.state.service(service).expect("it is there");
        let new = NewTask {
            id: TaskId(service.0 + 1_000_000),
            service,
            slot: 1,
            attempt: 1,
            template_revision: made_from.template_revision,
            node: None,
            desired: DesiredState::Running,
            restart_time: None,
            restart: RestartMemory::default(),
            step: None,
            beside: false,
        };
        let (task, node) = (new.id, NodeId(1));
        let observation = Observation {
            ports,
            ..Observation::of(TaskState::Running, self.world.now)
        };
        self.write([
            Write::CreateTask(new),
            Write::AssignTask { task, node },
            Write::ObserveTask { task, observation },
        ]);
        task
    }

    fn web(&mut self, name: &str) -> TaskId {
        self.run(name, vec![tcp(80, 20_000, PortMode::Ingress)])
    }

    /// Writes, and lets the loop know; every state is as it must be.
    fn write(&mut self, writes: impl IntoIterator<Item = Write>) {
        let before = self.world.state.clone();
        let applied = self.world.apply(writes);
        assert_eq!(applied.refusal, None);
        let found = [
            invariants(&self.world.state),
            step(&before, &self.world.state),
        ];
        assert_eq!(found.concat(), []);
        self.drainer.observe([&applied.step]);
    }

    fn stop(&mut self, task: TaskId) {
        let desired = DesiredState::Stopped;
        self.write([Write::SetDesired { task, desired }]);
    }

    /// These nodes balance by the present endpoints.
    fn confirm(&mut self, nodes: &[u128]) {
        let revision = self.world.state.revision();
        let nodes = nodes.iter().map(|node| (NodeId(*node), revision));
        self.confirmed.extend(nodes);
    }

    /// Lets the loop write; gives whom it released, and whether nodes were given up on.
    fn turn(&mut self) -> Vec<(TaskId, bool)> {
        let confirmed = self.confirmed.clone();
        let confirmed = |node: NodeId| confirmed.get(&node).copied().unwrap_or_default();
        let now = self.world.now;
        let change = self.drainer.turn(&self.world.state, &confirmed, now);
        let writes = change.map(|change| change.writes).unwrap_or_default();
        self.write(writes.clone());
        let released = writes.into_iter().map(|write| match write {
            Write::ReleaseTask { task, unconfirmed } => (task, unconfirmed),
            other => panic!("a drainer releases: {other:?}"),
        });
        released.collect()
    }

    fn wait(&mut self, span: Duration) {
        self.world.now = self.world.now.after(span);
    }

    fn phase(&self, task: TaskId) -> Option<crate::model::DrainPhase> {
        let task = self.world.state.task(task).expect("it is there");
        task.drain.as_ref().map(Drain::phase)
    }
}

#[test]
fn a_task_is_released_once_every_node_has_confirmed() {
    use crate::model::DrainPhase::{Leaving, Left};
    let mut bench = Bench::new();
    let task = bench.web("web");
    bench.confirm(&[1, 2, 3]);
    assert_eq!(bench.turn(), []);
    assert!(!bench.drainer.is_waiting());
    bench.stop(task);
    assert!(bench.drainer.is_waiting());
    assert_eq!(bench.turn(), [], "what was confirmed is older than that");
    let given_up_at = bench.world.now.after(CONFIRM_TIME_MAX);
    assert_eq!(bench.drainer.wake_at(), Some(given_up_at));
    bench.confirm(&[1, 3]);
    assert_eq!(bench.turn(), []);
    assert_eq!(bench.phase(task), Some(Leaving));
    bench.confirm(&[2]);
    assert_eq!(bench.turn(), [(task, false)]);
    assert_eq!(bench.phase(task), Some(Left));
    assert_eq!(bench.turn(), [], "once is enough");
    assert_eq!(bench.drainer.wake_at(), None);
}

#[test]
fn a_node_that_does_not_answer_is_waited_for_until_the_time_is_over() {
    let mut bench = Bench::new();
    assert_eq!(bench.turn(), []);
    let task = bench.web("web");
    bench.stop(task);
    bench.confirm(&[1, 2]);
    bench.wait(CONFIRM_TIME_MAX.saturating_sub(Duration::from_nanos(1)));
    assert_eq!(bench.turn(), []);
    bench.wait(Duration::from_nanos(1));
    assert_eq!(bench.turn(), [(task, true)]);
    let drain = bench.world.state.task(task).and_then(|task| task.drain);
    let released = drain.and_then(|drain| drain.released);
    let time = bench.world.now;
    let unconfirmed = true;
    assert_eq!(released, Some(crate::model::Released { time, unconfirmed }));
}

#[test]
fn a_node_that_is_down_or_gone_is_not_waited_for() {
    let mut bench = Bench::new();
    let task = bench.web("web");
    bench.stop(task);
    bench.confirm(&[1]);
    bench.write([Write::SetNodeState {
        node: NodeId(2),
        state: NodeState::Down,
        message: "".into(),
    }]);
    assert_eq!(bench.turn(), []);
    bench.write([Write::DeleteNode { node: NodeId(3) }]);
    assert_eq!(bench.turn(), [(task, false)]);
}

#[test]
fn a_node_that_comes_back_meanwhile_is_waited_for() {
    let mut bench = Bench::new();
    let task = bench.web("web");
    let hear = |state| Write::SetNodeState {
        node: NodeId(3),
        state,
        message: "".into(),
    };
    bench.write([hear(NodeState::Down)]);
    bench.stop(task);
    bench.confirm(&[1, 2]);
    let confirmed = bench.confirmed.clone();
    let confirmed = |node: NodeId| confirmed.get(&node).copied().unwrap_or_default();
    let now = bench.world.now;
    let change = bench.drainer.turn(&bench.world.state, &confirmed, now);
    bench.write([hear(NodeState::Ready)]);
    let applied = bench
        .world
        .apply_change(change.expect("both have confirmed"));
    assert!(applied.refusal.is_some(), "{applied:?}");
    assert_eq!(bench.turn(), []);
    bench.confirm(&[3]);
    assert_eq!(bench.turn(), [(task, false)]);
}

#[test]
fn a_new_leader_goes_on_where_the_last_one_was() {
    let mut bench = Bench::new();
    let (one, other) = (bench.web("one"), bench.web("other"));
    bench.stop(one);
    bench.wait(Duration::from_secs(3));
    bench.stop(other);
    // It knows nothing, and no node has confirmed anything to it.
    bench.drainer = Drainer::default();
    bench.confirmed.clear();
    assert_eq!(bench.turn(), []);
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.turn(), [], "nobody could confirm to the one before");
    bench.wait(Duration::from_secs(3));
    assert_eq!(bench.turn(), [(one, true), (other, true)]);
    // What happened is not known either.
    bench.drainer.missed();
    assert!(bench.drainer.is_waiting());
    assert_eq!(bench.turn(), []);
}

#[test]
fn what_answers_nobody_does_not_drain() {
    let mut bench = Bench::new();
    let plain = bench.run("plain", Vec::new());
    let host = bench.run("host", vec![tcp(80, 8080, PortMode::Host)]);
    let starting = bench.web("starting");
    for task in [plain, host] {
        bench.stop(task);
        assert_eq!(bench.phase(task), None);
    }
    let ended = Observation::of(TaskState::Failed, bench.world.now);
    bench.write([Write::ObserveTask {
        task: starting,
        observation: ended,
    }]);
    bench.stop(starting);
    assert_eq!(bench.phase(starting), None);
    assert_eq!(bench.turn(), []);
}

#[test]
fn nobody_waits_for_a_service_that_left_the_mesh() {
    let mut bench = Bench::new();
    let (task, other) = (bench.web("web"), bench.web("other"));
    assert_eq!(bench.turn(), []);
    let service = bench.world.state.task(task).expect("it is there").service;
    let known = bench.world.state.service(service).expect("it is there");
    let spec = known.spec.clone();
    bench.write([
        Write::PutServiceSpec {
            service,
            spec,
            ports: vec![tcp(80, 8080, PortMode::Host)],
            new_template: false,
        },
        Write::SetDesired {
            task,
            desired: DesiredState::Stopped,
        },
    ]);
    assert_eq!(bench.phase(task), None, "it may be stopped at once");
    assert!(!bench.drainer.is_waiting());
    bench.stop(other);
    assert!(bench.drainer.is_waiting(), "that of another is waited for");
}

#[test]
fn what_ends_meanwhile_is_released_no_more() {
    let mut bench = Bench::new();
    let task = bench.web("web");
    bench.stop(task);
    assert_eq!(bench.turn(), []);
    let observation = Observation::of(TaskState::Completed, bench.world.now);
    bench.write([Write::ObserveTask { task, observation }]);
    bench.wait(CONFIRM_TIME_MAX);
    assert_eq!(bench.turn(), []);
    assert!(!bench.drainer.is_waiting());
    bench.write([Write::ReleaseTask {
        task,
        unconfirmed: true,
    }]);
    let drain = bench.world.state.task(task).and_then(|task| task.drain);
    assert_eq!(
        drain.and_then(|drain| drain.released),
        None,
        "it does nothing"
    );
}

#[test]
fn being_removed_as_well_does_not_begin_it_anew() {
    let mut bench = Bench::new();
    let task = bench.web("web");
    bench.stop(task);
    let drain = |bench: &Bench| bench.world.state.task(task).and_then(|task| task.drain);
    let told = drain(&bench);
    bench.wait(Duration::from_secs(1));
    bench.write([Write::DeleteTask { task }]);
    assert_eq!(drain(&bench), told);
    bench.confirm(&[1, 2, 3]);
    assert_eq!(bench.turn(), [(task, false)]);
    let released = drain(&bench);
    bench.write([Write::DeleteTask { task }]);
    assert_eq!(drain(&bench), released);
}
