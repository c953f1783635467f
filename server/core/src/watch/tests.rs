// SPDX-License-Identifier: Apache-2.0
//! The rules of watching, one test each, against an oracle that keeps every state.
//!
//! Properties of watches follow those that etcd's robustness tests check (ordered, unique,
//! atomic, resumable, bookmarkable), see `tests/robustness` in its repository.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::filter::{Reference, TaskFilter};
use crate::model::{
    DesiredState, NodeId, RestartMemory, Revision, ServiceId, TaskId, TaskState, Timestamp,
};
use crate::state::{History, HistoryLimits, NewTask, State, Step, Write};
use crate::testing::{World, replicated};

use super::*;

const INTERVAL: Duration = Duration::from_secs(5);

/// A world whose every state is kept, as the truth that watches are compared with.
struct Oracle {
    world: World,
    history: History,
    states: BTreeMap<Revision, State>,
    service: ServiceId,
    fresh: bool,
}

impl Oracle {
    /// What who watches running tasks has to be told of the changes after one revision, up to
    /// another.
    fn events(&self, after: Revision, through: Revision) -> Vec<WatchEvent> {
        let tasks = Some(running());
        let filter = WatchFilter {
            tasks,
            ..WatchFilter::default()
        };
        let steps = self.history.after(after).expect("it is kept");
        let steps = steps.iter().filter(|step| step.revision <= through);
        steps
            .flat_map(|step| step.events.iter().filter_map(|event| filter.see(event)))
            .collect()
    }

    fn new() -> Oracle {
        let mut world = World::with_nodes(2);
        let service = world.create_service(replicated("web", 3));
        let revision = world.state.revision();
        let history = History::starting_after(revision, HistoryLimits::default());
        let states = [(revision, world.state.clone())].into();
        Oracle {
            world,
            history,
            states,
            service,
            fresh: true,
        }
    }

    fn apply(&mut self, writes: Vec<Write>) -> Step {
        let step = self.world.apply(writes).step;
        self.history.push(step.clone());
        self.states.insert(step.revision, self.world.state.clone());
        step
    }

    fn create(&mut self, tasks: u32) -> Vec<TaskId> {
        let template_revision = self
            .world
            .state
            .service(self.service)
            .expect("is")
            .template_revision;
        let ids: Vec<_> = (0..tasks).map(|_| TaskId(self.world.next_id())).collect();
        let new = |id: &TaskId| {
            Write::CreateTask(NewTask {
                id: *id,
                service: self.service,
                slot: id.0 as u32,
                attempt: 1,
                template_revision,
                node: Some(NodeId(1)),
                desired: DesiredState::Running,
                restart_time: None,
                restart: RestartMemory::default(),
                step: None,
                beside: false,
            })
        };
        self.apply(ids.iter().map(new).collect());
        ids
    }

    /// One change picked by these numbers: a task more, a task on its way, or a task less.
    fn change(&mut self, kind: u8, which: usize) {
        let tasks: Vec<TaskId> = self.world.state.tasks().map(|task| task.meta.id).collect();
        let Some(task) = tasks.get(which % tasks.len().max(1)).copied() else {
            self.create(1);
            return;
        };
        let next = TaskState::ALL[(usize::from(kind) + which) % TaskState::ALL.len()];
        match kind % 6 {
            0 => drop(self.create(1 + which as u32 % 5)),
            1 => drop(self.apply(vec![Write::DeleteTask { task }])),
            2 => drop(self.apply(vec![Write::SetDesired {
                task,
                desired: DesiredState::Stopped,
            }])),
            _ => {
                let observation = crate::state::Observation::of(next, self.world.now);
                self.apply(vec![Write::ObserveTask { task, observation }]);
            }
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            state: &self.world.state,
            history: &self.history,
            fresh: self.fresh,
        }
    }

    fn now(&self) -> Timestamp {
        self.world.now
    }

    fn head(&self) -> Revision {
        self.world.state.revision()
    }

    fn view_at(
        &self,
        revision: Revision,
        filter: &TaskFilter,
    ) -> BTreeMap<TaskId, Arc<crate::model::Task>> {
        let (_, state) = self
            .states
            .range(..=revision)
            .next_back()
            .expect("a state that old");
        state
            .tasks()
            .filter(|it| filter.matches(it))
            .map(|it| (it.meta.id, it.clone()))
            .collect()
    }
}

fn running() -> TaskFilter {
    TaskFilter {
        states: vec![TaskState::Running],
        ..TaskFilter::default()
    }
}

fn options(filter: TaskFilter, after: Revision) -> Options {
    Options {
        filter: WatchFilter {
            tasks: Some(filter),
            ..WatchFilter::default()
        },
        after,
        progress_interval: INTERVAL,
        frame_bytes_max: 400,
    }
}

/// The whole of a client: collect until a frame has a revision, apply, remember it.
#[derive(Default)]
struct Client {
    view: BTreeMap<TaskId, Arc<crate::model::Task>>,
    revision: Revision,
    collected: Vec<WatchEvent>,
    frames: usize,
}

impl Client {
    fn take(&mut self, frame: Frame<WatchEvent>, snapshot: bool) {
        self.frames += 1;
        self.collected.extend(frame.events);
        if frame.revision == Revision(0) {
            return;
        }
        assert!(frame.revision >= self.revision, "a watch went back");
        assert!(frame.head >= frame.revision);
        for event in std::mem::take(&mut self.collected) {
            self.apply(event, snapshot);
        }
        self.revision = frame.revision;
    }

    fn apply(&mut self, event: WatchEvent, snapshot: bool) {
        let Object::Task(task) = event.object else {
            panic!("only tasks were asked for")
        };
        assert!(snapshot || task.meta.revision > self.revision || event.change == Change::Deleted);
        let id = task.meta.id;
        match event.change {
            Change::Added => assert!(self.view.insert(id, task).is_none(), "added twice"),
            Change::Changed => assert!(self.view.insert(id, task).is_some(), "never added"),
            Change::Left | Change::Deleted => {
                assert!(self.view.remove(&id).is_some(), "never added");
            }
        }
    }

    /// Takes frames until there are no more.
    fn drain(&mut self, cursor: &mut Cursor<WatchEvent>, oracle: &Oracle) -> Result<(), Ended> {
        loop {
            let snapshot = self.revision == Revision(0);
            match cursor.next(oracle.source(), oracle.now(), |event| (event, 100))? {
                Some(frame) => self.take(frame, snapshot),
                None if cursor.is_behind(oracle.source()) => {}
                None => return Ok(()),
            }
        }
    }
}

fn start(oracle: &Oracle, filter: TaskFilter, after: Revision) -> Cursor<WatchEvent> {
    Cursor::start(options(filter, after), oracle.source(), oracle.now()).expect("it can begin")
}

fn run(oracle: &mut Oracle, changes: &[(u8, usize)]) {
    for (kind, which) in changes {
        oracle.change(*kind, *which);
    }
}

fn changes() -> impl Strategy<Value = Vec<(u8, usize)>> {
    proptest::collection::vec((any::<u8>(), 0usize..50), 1..80)
}

proptest! {
    #[test]
    fn watch_rule_01_complete_start(before in changes(), after in changes()) {
        let mut oracle = Oracle::new();
        run(&mut oracle, &before);
        let began = oracle.head();
        let mut cursor = start(&oracle, running(), Revision(0));
        run(&mut oracle, &after);
        let mut client = Client::default();
        client.drain(&mut cursor, &oracle).expect("it goes on");
        prop_assert!(client.revision >= began);
        prop_assert_eq!(&client.view, &oracle.view_at(oracle.head(), &running()));
    }

    #[test]
    fn watch_rule_02_a_revision_closes_a_step(before in changes(), size in 1u32..40) {
        let mut oracle = Oracle::new();
        run(&mut oracle, &before);
        let mut cursor = start(&oracle, TaskFilter::default(), Revision(0));
        let mut client = Client::default();
        client.drain(&mut cursor, &oracle).expect("it goes on");
        oracle.create(size);
        loop {
            let next = cursor.next(oracle.source(), oracle.now(), |event| (event, 100));
            let Some(frame) = next.expect("it goes on") else { break };
            prop_assert!(frame.events.len() <= 4);
            let closes = frame.revision != Revision(0);
            client.take(frame, false);
            if closes {
                prop_assert_eq!(
                    &client.view,
                    &oracle.view_at(client.revision, &TaskFilter::default())
                );
            }
        }
        prop_assert!(cursor.is_closed());
        prop_assert_eq!(client.revision, oracle.head());
    }

    #[test]
    fn watch_rule_03_resume_gives_what_came_after(all in changes(), cut in 0usize..80) {
        let mut oracle = Oracle::new();
        let mut client = Client::default();
        let mut cursor = start(&oracle, running(), Revision(0));
        let cut = cut.min(all.len());
        run(&mut oracle, &all[..cut]);
        client.drain(&mut cursor, &oracle).expect("it goes on");
        drop(cursor);
        run(&mut oracle, &all[cut..]);
        let mut cursor = start(&oracle, running(), client.revision);
        client.drain(&mut cursor, &oracle).expect("it goes on");
        prop_assert_eq!(&client.view, &oracle.view_at(oracle.head(), &running()));
    }

    #[test]
    fn watch_rule_04_ordered(all in changes()) {
        let mut oracle = Oracle::new();
        let mut cursor = start(&oracle, running(), oracle.head());
        let begin = oracle.head();
        run(&mut oracle, &all);
        let wanted = oracle.events(begin, oracle.head());
        let mut got = Vec::new();
        while cursor.is_behind(oracle.source()) {
            let next = cursor.next(oracle.source(), oracle.now(), |event| (event, 100));
            if let Some(frame) = next.expect("it goes on") {
                got.extend(frame.events);
            }
        }
        prop_assert_eq!(got, wanted);
    }

    /// However small the frames: one that closes a revision leaves out nothing up to it, and
    /// brings nothing of what comes after it.
    #[test]
    fn watch_rule_05_reliable_and_atomic(all in changes(), bytes in 1usize..FRAME_BYTES_MAX) {
        let mut oracle = Oracle::new();
        let mut cursor = start(&oracle, running(), oracle.head());
        let begin = oracle.head();
        run(&mut oracle, &all);
        let mut got = Vec::new();
        while cursor.is_behind(oracle.source()) {
            let next = cursor.next(oracle.source(), oracle.now(), |event| (event, bytes));
            let Some(frame) = next.expect("it goes on") else { continue };
            got.extend(frame.events);
            if frame.revision > Revision(0) {
                prop_assert_eq!(&got, &oracle.events(begin, frame.revision));
            }
        }
    }

    #[test]
    fn watch_rule_12_applying_by_revision_converges(all in changes()) {
        let mut oracle = Oracle::new();
        run(&mut oracle, &all);
        let mut view: BTreeMap<TaskId, Arc<crate::model::Task>> = BTreeMap::new();
        for after in [Revision(0), oracle.head(), Revision(0)] {
            let mut cursor = start(&oracle, TaskFilter::default(), after);
            while cursor.is_behind(oracle.source()) {
                let next = cursor.next(oracle.source(), oracle.now(), |event| (event, 100));
                for event in next.expect("it goes on").into_iter().flat_map(|frame| frame.events) {
                    let Object::Task(task) = event.object else { panic!("a task") };
                    let newer = view
                        .get(&task.meta.id)
                        .is_none_or(|held| held.meta.revision < task.meta.revision);
                    if newer {
                        view.insert(task.meta.id, task);
                    }
                }
            }
        }
        prop_assert_eq!(view, oracle.view_at(oracle.head(), &TaskFilter::default()));
    }
}

#[test]
fn watch_rule_06_edges_of_the_filter() {
    let mut oracle = Oracle::new();
    let mut cursor = start(&oracle, running(), oracle.head());
    let task = oracle.create(1)[0];
    let seen = |oracle: &mut Oracle, cursor: &mut Cursor<WatchEvent>| {
        let next = cursor.next(oracle.source(), oracle.now(), |event| (event, 100));
        let frame = next.expect("it goes on");
        frame.map(|frame| {
            frame
                .events
                .iter()
                .map(|event| event.change)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(seen(&mut oracle, &mut cursor), None);
    let observe = |oracle: &mut Oracle, state| {
        let observation = crate::state::Observation::of(state, oracle.now());
        oracle.apply(vec![Write::ObserveTask { task, observation }]);
    };
    observe(&mut oracle, TaskState::Running);
    assert_eq!(seen(&mut oracle, &mut cursor), Some(vec![Change::Added]));
    oracle.apply(vec![Write::SetDesired {
        task,
        desired: DesiredState::Stopped,
    }]);
    assert_eq!(seen(&mut oracle, &mut cursor), Some(vec![Change::Changed]));
    observe(&mut oracle, TaskState::Stopped);
    assert_eq!(seen(&mut oracle, &mut cursor), Some(vec![Change::Left]));
    oracle.apply(vec![Write::DeleteTask { task }]);
    assert_eq!(seen(&mut oracle, &mut cursor), None);

    let unborn = TaskFilter {
        services: vec![Reference::parse("later")],
        ..TaskFilter::default()
    };
    assert!(
        Cursor::<WatchEvent>::start(options(unborn, Revision(0)), oracle.source(), oracle.now())
            .is_ok()
    );
}

#[test]
fn watch_rule_07_a_frame_comes_in_time_also_without_a_match() {
    let mut oracle = Oracle::new();
    let mut cursor = start(&oracle, running(), oracle.head());
    let mut frames = 0;
    for _ in 0..60 {
        oracle.world.now = oracle.world.now.after(Duration::from_secs(1));
        oracle.create(1);
        let next = cursor.next(oracle.source(), oracle.now(), |event| (event, 100));
        if let Some(frame) = next.expect("it goes on") {
            assert!(frame.events.is_empty());
            assert_eq!(frame.revision, oracle.head());
            frames += 1;
        }
    }
    assert_eq!(frames, 12);
    assert_eq!(cursor.wake_at(), oracle.now().after(INTERVAL));
}

#[test]
fn watch_rule_08_no_frame_without_a_leader() {
    let mut oracle = Oracle::new();
    let mut cursor = start(&oracle, running(), oracle.head());
    oracle.fresh = false;
    let next = cursor.next(oracle.source(), oracle.now(), |event| (event, 100));
    assert_eq!(next, Err(Ended::NotFresh));
}

#[test]
fn watch_rule_09_a_slow_reader_holds_no_queue_and_may_fall_behind() {
    let mut oracle = Oracle::new();
    let mut slow = start(&oracle, TaskFilter::default(), oracle.head());
    for _ in 0..500 {
        oracle.create(1);
    }
    assert_eq!(slow.rest_len(), 0);
    oracle.history.set_limits(HistoryLimits {
        bytes_max: 10_000,
        ..HistoryLimits::default()
    });
    oracle.create(1);
    let next = slow.next(oracle.source(), oracle.now(), |event| (event, 100));
    assert_eq!(next, Err(Ended::Compacted(oracle.history.compacted())));
}

#[test]
fn watch_rule_10_history_is_kept_for_its_time() {
    let mut oracle = Oracle::new();
    let begin = oracle.head();
    for _ in 0..599 {
        oracle.world.now = oracle.world.now.after(Duration::from_secs(1));
        oracle.create(1);
    }
    assert_eq!(oracle.history.compacted(), begin);
    oracle.world.now = oracle.world.now.after(Duration::from_secs(30));
    oracle.create(1);
    assert!(oracle.history.compacted() > begin);
}

#[test]
fn watch_rule_11_too_old_and_too_new_are_said() {
    let mut oracle = Oracle::new();
    let old = oracle.head();
    oracle.history.set_limits(HistoryLimits {
        bytes_max: 0,
        ..HistoryLimits::default()
    });
    oracle.create(1);
    let begin = |after| {
        Cursor::<WatchEvent>::start(options(running(), after), oracle.source(), oracle.now())
            .map(|_| ())
    };
    assert_eq!(begin(old), Err(Ended::Compacted(oracle.head())));
    assert_eq!(begin(oracle.head()), Ok(()));
    let new = Revision(oracle.head().0 + 1);
    assert_eq!(begin(new), Err(Ended::Unknown(oracle.head())));
}

#[test]
fn watch_rule_13_a_watch_can_end_between_steps() {
    let mut oracle = Oracle::new();
    let mut cursor = start(&oracle, TaskFilter::default(), oracle.head());
    oracle.create(9);
    assert!(cursor.is_closed());
    let mut next = || cursor.next(oracle.source(), oracle.now(), |event| (event, 100));
    let frame = next().expect("it goes on").expect("a part of the step");
    assert_eq!((frame.revision, frame.events.len()), (Revision(0), 4));
    assert!(next().expect("it goes on").is_some());
    let frame = next().expect("it goes on").expect("the end of the step");
    assert_eq!((frame.revision, frame.events.len()), (oracle.head(), 1));
    assert!(cursor.is_closed());
}

#[test]
fn an_object_larger_than_a_frame_comes_alone() {
    let mut oracle = Oracle::new();
    let mut cursor = start(&oracle, TaskFilter::default(), oracle.head());
    oracle.create(2);
    let mut counts = Vec::new();
    while cursor.is_behind(oracle.source()) {
        let next = cursor.next(oracle.source(), oracle.now(), |event| (event, 5_000));
        counts.extend(next.expect("it goes on").map(|frame| frame.events.len()));
    }
    assert_eq!(counts, [1, 1]);
}
