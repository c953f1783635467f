// SPDX-License-Identifier: Apache-2.0
//! Both loops together bring a service up, and rest when there is nothing to do.

use std::time::Duration;

use crate::model::{ServiceId, TaskId, TaskState};
use crate::state::{Applied, Step};
use crate::testing::{World, replicated};

use super::*;

/// A leader: its loops, and the steps they have not seen yet.
struct Leader {
    world: World,
    reconciler: Reconciler,
    placer: Placer,
}

impl Leader {
    fn new(nodes: u8) -> Leader {
        let world = World::with_nodes(nodes);
        Leader {
            world,
            reconciler: Reconciler::new(),
            placer: Placer::default(),
        }
    }

    fn note(&mut self, applied: &Applied) {
        let steps: [&Step; 1] = [&applied.step];
        self.reconciler.observe(&self.world.state, steps);
        self.placer.observe(steps);
    }

    /// Lets the loops run until neither is due; gives back how many changes they made.
    fn settle(&mut self) -> usize {
        let mut changes = 0;
        for _ in 0..100 {
            let now = self.world.now;
            if !self.reconciler.is_due(now) && !self.placer.is_due(now) {
                return changes;
            }
            let state = self.world.state.clone();
            let mut id = || self.world.next_id();
            let wanted = self.reconciler.turn(&state, now, &mut id);
            let placed = self.placer.turn(&state, now);
            for change in wanted.into_iter().map(|wanted| wanted.change).chain(placed) {
                let applied = self.world.apply_change(change);
                self.note(&applied);
                changes += 1;
            }
        }
        panic!("the loops do not come to rest");
    }

    fn see(&mut self, task: TaskId, state: TaskState) {
        let applied = self.world.observe(task, state);
        self.note(&applied);
    }

    fn tasks(&self, service: ServiceId) -> Vec<(TaskId, TaskState)> {
        let tasks = self.world.state.service_tasks(service);
        tasks
            .map(|task| (task.meta.id, task.status.state))
            .collect()
    }
}

#[test]
fn a_service_comes_up_and_then_all_is_quiet() {
    let mut leader = Leader::new(3);
    let service = leader.world.create_service(replicated("web", 6));
    leader.settle();
    let tasks = leader.tasks(service);
    assert_eq!(tasks.len(), 6);
    assert!(tasks.iter().all(|(_, state)| *state == TaskState::Assigned));
    for (task, _) in tasks {
        leader.see(task, TaskState::Running);
    }
    assert_eq!(leader.settle(), 0);
    assert!(!leader.reconciler.is_due(leader.world.now));
}

#[test]
fn a_delay_becomes_due_by_time_alone() {
    let mut leader = Leader::new(1);
    let service = leader.world.create_service(replicated("web", 1));
    leader.settle();
    let (task, _) = leader.tasks(service)[0];
    leader.see(task, TaskState::Failed);
    leader.settle();
    let wake = leader
        .reconciler
        .wake_at()
        .expect("a restart is waited for");
    assert_eq!(wake, leader.world.now.after(Duration::from_secs(1)));
    assert_eq!(leader.settle(), 0);
    leader.world.now = wake;
    assert!(leader.reconciler.is_due(wake));
    assert_eq!(leader.settle(), 1);
}

#[test]
fn missed_events_only_delay() {
    let mut leader = Leader::new(1);
    leader.settle();
    let service = leader.world.create_service(replicated("web", 2));
    assert_eq!(leader.settle(), 0);
    leader.reconciler.missed();
    leader.placer.again();
    leader.settle();
    assert_eq!(leader.tasks(service).len(), 2);
}

#[test]
fn what_is_refused_again_and_again_is_tried_less_and_less_often() {
    let mut leader = Leader::new(1);
    let service = leader.world.create_service(replicated("web", 1));
    let now = leader.world.now;
    let waits: Vec<Option<Duration>> = (0..8)
        .map(|_| {
            let state = leader.world.state.clone();
            let mut id = || leader.world.next_id();
            let wanted = leader.reconciler.turn(&state, now, &mut id);
            leader.reconciler.refused(service, now, 0);
            assert!(wanted.len() <= 1);
            let wait = leader.reconciler.wake_at().map(|time| time.since(now));
            assert_eq!(leader.reconciler.is_due(now), wait.is_none());
            wait
        })
        .collect();
    let ms = |ms| Some(Duration::from_millis(ms));
    assert_eq!(
        waits[..4],
        [None, ms(50), ms(50), ms(50)],
        "the earliest wait counts"
    );
    leader.reconciler.accepted(service);
    leader.reconciler.refused(service, now, 0);
    assert!(leader.reconciler.is_due(now), "the row has ended");

    let mut placer = Placer::default();
    let waits: Vec<Option<Duration>> = (0..8)
        .map(|_| {
            placer.refused(now, 0);
            placer.wake_at().map(|time| time.since(now))
        })
        .collect();
    let longest = Duration::from_secs(1);
    assert_eq!(waits[..4], [None, ms(50), ms(100), ms(200)]);
    assert_eq!(waits[7], Some(longest), "no longer than that");
    assert!(!placer.is_due(now) && placer.is_due(now.after(longest)));
    placer.accepted();
    placer.refused(now, 0);
    assert!(placer.is_due(now), "once is nothing unusual");
}
