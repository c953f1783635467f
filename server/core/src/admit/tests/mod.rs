// SPDX-License-Identifier: Apache-2.0
//! What is admitted, what is refused, and what comes of it.

mod nodes;
mod ports;
mod rollouts;
mod services;

use std::sync::Arc;

use crate::model::*;
use crate::state::*;
use crate::testing::{World, replicated};

use super::*;

/// A world with a caller in it, who counts requests.
pub(super) struct Desk {
    pub(super) world: World,
    pub(super) ctx: Context,
}

impl Desk {
    pub(super) fn new() -> Desk {
        let world = World::with_nodes(3);
        let ctx = Context {
            now: world.now,
            caller: "uid:1000".into(),
            request: None,
        };
        Desk { world, ctx }
    }

    /// Applies what was admitted; the object and whether something was written.
    pub(super) fn settle(&mut self, admitted: Admitted) -> (Option<ObjectId>, bool) {
        match admitted {
            Admitted::AlreadySo(object) => (object, false),
            Admitted::Part(change) => {
                assert_eq!(self.world.apply_change(change).refusal, None);
                (None, true)
            }
            Admitted::Change(change, object) => {
                assert_eq!(&*change.caller, "uid:1000");
                assert_eq!(self.world.apply_change(change).refusal, None);
                (Some(object), true)
            }
        }
    }

    pub(super) fn create(&mut self, spec: ServiceSpec) -> Result<Arc<Service>, Rejection> {
        let id = self.world.next_id();
        let admitted = create_service(&self.world.state, spec, &self.ctx, &mut || id)?;
        let (object, _) = self.settle(admitted);
        let Some(ObjectId::Service(id)) = object else {
            panic!("a service was created, not {object:?}");
        };
        Ok(self.world.state.service(id).expect("it is there").clone())
    }

    /// Gives a service another spec; whether something was written.
    pub(super) fn update(&mut self, spec: ServiceSpec) -> Result<bool, Rejection> {
        let service = find_service(&self.world.state, spec.name.as_str())?;
        let admitted = update_service(&self.world.state, &service, spec, None, &self.ctx)?;
        Ok(self.settle(admitted).1)
    }

    pub(super) fn service(&self, name: &str) -> Arc<Service> {
        find_service(&self.world.state, name).expect("it is there")
    }

    /// A task of the service that waits for a node.
    pub(super) fn task(&mut self, service: &Service, slot: u32) -> TaskId {
        let id = TaskId(self.world.next_id());
        self.world.apply([Write::CreateTask(NewTask {
            id,
            service: service.meta.id,
            slot,
            attempt: 1,
            template_revision: service.template_revision,
            node: None,
            desired: DesiredState::Running,
            restart_time: None,
            restart: RestartMemory::default(),
            step: None,
            beside: false,
        })]);
        id
    }

    /// A task of the service that has this node.
    pub(super) fn task_on(&mut self, service: &Service, slot: u32, node: NodeId) -> TaskId {
        let task = self.task(service, slot);
        self.world.apply([Write::AssignTask { task, node }]);
        task
    }
}

#[test]
fn a_repeated_request_has_its_first_answer() {
    let mut desk = Desk::new();
    let key = |digest| RequestKey {
        id: "r1".into(),
        digest: [digest; 32],
    };
    desk.ctx.request = Some(key(1));
    assert_eq!(desk.ctx.answered(&desk.world.state), Ok(None));
    let service = desk.create(replicated("web", 1)).expect("it is free");
    let record = desk.ctx.answered(&desk.world.state);
    let record = record.expect("the same request").expect("answered before");
    assert_eq!(record.revision, service.meta.create_revision);
    assert_eq!(record.request.object, ObjectId::Service(service.meta.id));
    desk.ctx.request = Some(key(2));
    let reused = desk.ctx.answered(&desk.world.state);
    assert_eq!(reused, Err(Rejection::RequestIdReused));
}

#[test]
fn stopping_a_task_is_final() {
    let mut desk = Desk::new();
    let service = desk.create(replicated("web", 2)).expect("it is free");
    let waiting = desk.task(&service, 1);
    let running = desk.task_on(&service, 2, NodeId(2));
    desk.world.observe(running, TaskState::Running);
    for (task, state) in [(waiting, TaskState::Stopped), (running, TaskState::Running)] {
        let found = find_task(&desk.world.state, &task.to_string()).expect("it is there");
        assert!(desk.settle(stop_task(&found, &desk.ctx.clone())).1);
        let task = desk.world.state.task(task).expect("it is there").clone();
        assert_eq!(task.desired, DesiredState::Stopped);
        assert_eq!(task.status.state, state);
        let again = desk.settle(stop_task(&task, &desk.ctx.clone()));
        assert_eq!(again, (Some(ObjectId::Task(task.meta.id)), false));
    }
}

#[test]
fn the_swarm_is_founded_once_and_changed_by_compare_and_set() {
    let mut desk = Desk::new();
    let mut ids = || 9;
    let spec = SwarmSpec::default();
    let empty = State::default();
    let founded = found_swarm(&empty, spec.clone(), &desk.ctx, &mut ids);
    assert!(matches!(founded, Ok(Admitted::Change(..))));
    let again = found_swarm(&desk.world.state, spec.clone(), &desk.ctx, &mut ids);
    assert_eq!(again, Err(Rejection::SwarmExists));
    let none = update_swarm(&empty, spec.clone(), None, &desk.ctx);
    assert!(matches!(none, Err(Rejection::NotFound { .. })));

    let present = desk.world.state.swarm().expect("there is one").meta;
    let same = update_swarm(&desk.world.state, spec.clone(), None, &desk.ctx);
    let same = desk.settle(same.expect("nothing is wrong"));
    assert_eq!(same, (Some(ObjectId::Swarm(present.id)), false));
    let other = SwarmSpec {
        task_history: Some(1),
        ..spec
    };
    let stale = Some(Revision(present.spec_revision.0 + 1));
    let refused = update_swarm(&desk.world.state, other.clone(), stale, &desk.ctx);
    let present = present.spec_revision;
    assert_eq!(refused, Err(Rejection::SpecRevisionMismatch { present }));
    let admitted = update_swarm(&desk.world.state, other, Some(present), &desk.ctx);
    assert!(desk.settle(admitted.expect("nothing is wrong")).1);
    let swarm = desk.world.state.swarm().expect("there is one");
    assert_eq!(swarm.spec.task_history(), 1);
}
