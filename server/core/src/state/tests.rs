// SPDX-License-Identifier: Apache-2.0
//! The rules of applying changes.

use std::sync::Arc;

use crate::model::*;
use crate::testing::{World, create_node, every_node, replicated, tcp};

use super::*;

fn new_task(world: &mut World, service: ServiceId, slot: u32) -> NewTask {
    NewTask {
        id: TaskId(world.next_id()),
        service,
        slot,
        attempt: 1,
        template_revision: world
            .state
            .service(service)
            .expect("it is there")
            .template_revision,
        node: None,
        desired: DesiredState::Running,
        restart_time: None,
        restart: RestartMemory::default(),
        step: None,
        beside: false,
    }
}

fn condition(world: &World, service: ServiceId, kind: &str) -> Condition {
    let service = world.state.service(service).expect("it is there");
    let found = service
        .status
        .conditions
        .iter()
        .find(|condition| condition.kind == kind);
    found.expect("a service has the condition").clone()
}

/// A service whose tasks are made from an image.
fn of_image(image: &str, pull: Option<PullPolicy>) -> ServiceSpec {
    let container = Container {
        image: image.to_owned(),
        pull,
        ..Container::default()
    };
    ServiceSpec {
        template: Arc::new(TaskTemplate::of(Workload::Container(Box::new(container)))),
        ..replicated("web", 5)
    }
}

/// A new task is first seen with this reason and image.
fn see(world: &mut World, service: ServiceId, slot: u32, (reason, image): (&'static str, &str)) {
    let new = new_task(world, service, slot);
    let task = new.id;
    world.apply([Write::CreateTask(new)]);
    let ready = Observation::of(TaskState::Ready, world.now).because(reason, "");
    let running = Observation::of(TaskState::Running, world.now);
    for observation in [ready, running] {
        let observation = Observation {
            image: image.into(),
            ..observation
        };
        world.apply([Write::ObserveTask { task, observation }]);
    }
}

/// The image that a service is pinned to once its tasks, one after the other, were first seen
/// with these reasons and images.
fn pinned(pull: Option<PullPolicy>, seen: &[(&'static str, &str)]) -> String {
    let mut world = World::with_nodes(1);
    let service = world.create_service(of_image("web:1", pull));
    for (slot, seen) in (1..).zip(seen) {
        see(&mut world, service, slot, *seen);
    }
    let revision = world
        .state
        .service(service)
        .expect("it is there")
        .template_revision;
    let kept = world.state.template(service, revision).expect("it is kept");
    kept.image.to_string()
}

#[test]
fn only_what_a_registry_said_is_pinned() {
    let (old, new) = ("web@sha256:0", "web@sha256:1");
    assert_eq!(pinned(None, &[("", new), ("", old)]), new);
    // A node that could not ask uses what it has; that does not count, later neither.
    assert_eq!(pinned(None, &[(LOCAL_IMAGE, old)]), "");
    assert_eq!(pinned(None, &[(LOCAL_IMAGE, old), ("", new)]), new);
    // Where nothing is pulled other nodes could not get what this one has.
    assert_eq!(pinned(Some(PullPolicy::Never), &[("", old)]), "");
    assert_eq!(pinned(Some(PullPolicy::IfMissing), &[("", old)]), old);
}

#[test]
fn going_back_takes_the_image_along() {
    let mut world = World::with_nodes(1);
    let old = of_image("web:1", None);
    let service = world.create_service(old.clone());
    let stands = |world: &World| {
        let service = world.state.service(service).expect("it is there");
        (service.template_revision, service.image.to_string())
    };
    see(&mut world, service, 1, ("", "web@sha256:0"));
    let before = stands(&world);
    assert_eq!(before.1, "web@sha256:0");
    world.apply([Write::PutServiceSpec {
        service,
        spec: Arc::new(of_image("web:2", None)),
        ports: Vec::new(),
        new_template: true,
    }]);
    assert_eq!(stands(&world).1, "");
    see(&mut world, service, 2, ("", "web@sha256:1"));
    assert_eq!(stands(&world).1, "web@sha256:1");
    world.apply([Write::ReuseTemplate {
        service,
        spec: Arc::new(old),
        ports: Vec::new(),
        revision: before.0,
        back: None,
    }]);
    assert_eq!(stands(&world), before);
}

#[test]
fn a_service_converges_when_its_tasks_run() {
    let mut world = World::with_nodes(1);
    let service = world.create_service(replicated("web", 1));
    assert!(!condition(&world, service, derive::CONVERGED).holds);
    let task = new_task(&mut world, service, 1);
    let id = task.id;
    world.apply([Write::CreateTask(task)]);
    assert_eq!(world.state.pending_tasks().count(), 1);
    assert!(!condition(&world, service, derive::PLACED).holds);
    world.apply([Write::AssignTask {
        task: id,
        node: NodeId(1),
    }]);
    assert_eq!(
        world
            .state
            .node(NodeId(1))
            .map(|node| node.status.active_tasks),
        Some(1)
    );
    let applied = world.observe(id, TaskState::Running);
    assert!(condition(&world, service, derive::CONVERGED).holds);
    let kinds: Vec<_> = applied
        .step
        .events
        .iter()
        .filter_map(Event::object)
        .collect();
    assert_eq!(kinds, [ObjectId::Task(id), ObjectId::Service(service)]);
    let known = world.state.service(service).expect("it is there");
    assert_eq!(known.meta.revision, applied.step.revision);
    assert!(known.meta.spec_revision < applied.step.revision);
}

#[test]
fn a_refused_change_writes_nothing() {
    let mut world = World::with_nodes(1);
    let service = world.create_service(replicated("web", 1));
    let taken = Write::CreateService {
        id: ServiceId(7),
        spec: Arc::new(replicated("WEB", 1)),
        ports: Vec::new(),
    };
    let applied = world.apply([create_node(9), taken]);
    assert_eq!(
        applied.refusal,
        Some(Refusal::NameTaken(ObjectId::Service(service)))
    );
    assert!(applied.step.events.is_empty());
    assert_eq!(world.state.node_count(), 1);
}

#[test]
fn an_ingress_port_belongs_to_one_service() {
    let mut world = World::with_nodes(1);
    let mut web = replicated("web", 1);
    web.ports = vec![tcp(80, 8080, PortMode::Ingress)];
    let first = world.create_service(web.clone());
    web.name = Name::parse("other").expect("a good name");
    let ports = web.ports.clone();
    let second = Write::CreateService {
        id: ServiceId(7),
        spec: Arc::new(web),
        ports,
    };
    assert_eq!(
        world.apply([second.clone()]).refusal,
        Some(Refusal::PortTaken(first))
    );
    world.apply([Write::DeleteService { service: first }]);
    assert_eq!(world.apply([second]).refusal, None);
}

#[test]
fn an_ingress_port_is_no_host_port_of_another_service() {
    let mut world = World::with_nodes(1);
    let with = |name: &str, mode| {
        let mut spec = replicated(name, 1);
        spec.ports = vec![tcp(80, 8080, mode)];
        spec
    };
    let create = |id, spec: ServiceSpec| Write::CreateService {
        id: ServiceId(id),
        ports: spec.ports.clone(),
        spec: Arc::new(spec),
    };
    for (first, second) in [
        (PortMode::Host, PortMode::Ingress),
        (PortMode::Ingress, PortMode::Host),
    ] {
        let owner = world.create_service(with("web", first));
        // Both were decided on a state that had neither.
        let refusal = world.apply([create(7, with("other", second))]).refusal;
        assert_eq!(refusal, Some(Refusal::PortTaken(owner)));
        let same = world
            .apply([create(8, with("third", PortMode::Host))])
            .refusal;
        assert_eq!(same.is_some(), first == PortMode::Ingress, "hosts are many");
        world.apply([
            Write::DeleteService { service: owner },
            Write::DeleteService {
                service: ServiceId(8),
            },
        ]);
    }
}

#[test]
fn preconditions_look_at_their_revision() {
    let mut world = World::with_nodes(1);
    let service = world.create_service(replicated("web", 1));
    let spec_revision = world
        .state
        .service(service)
        .expect("it is there")
        .meta
        .spec_revision;
    let task = new_task(&mut world, service, 1);
    world.apply([Write::CreateTask(task)]);
    let mark = |precondition| Change {
        preconditions: vec![precondition],
        writes: vec![Write::MarkServiceDeleting { service }],
        ..Change::default()
    };
    let object = ObjectId::Service(service);
    let by_object = mark(Precondition::Revision(object, spec_revision));
    assert_eq!(
        world.apply_change(by_object).refusal,
        Some(Refusal::Changed(object))
    );
    let by_spec = mark(Precondition::SpecRevision(object, spec_revision));
    assert_eq!(world.apply_change(by_spec).refusal, None);
}

#[test]
fn tasks_only_move_forward() {
    let mut world = World::with_nodes(1);
    let service = world.create_service(replicated("web", 1));
    let task = new_task(&mut world, service, 1);
    let id = task.id;
    world.apply([
        Write::CreateTask(task),
        Write::AssignTask {
            task: id,
            node: NodeId(1),
        },
    ]);
    world.observe(id, TaskState::Failed);
    assert!(world.observe(id, TaskState::Running).step.events.is_empty());
    world.apply([Write::SetDesired {
        task: id,
        desired: DesiredState::Stopped,
    }]);
    world.apply([Write::SetDesired {
        task: id,
        desired: DesiredState::Running,
    }]);
    let task = world.state.task(id).expect("it is there");
    assert_eq!(
        (task.status.state, task.desired),
        (TaskState::Failed, DesiredState::Stopped)
    );
    assert_eq!(task.status.history.len(), 2);
}

#[test]
fn every_node_services_follow_the_nodes() {
    let mut world = World::with_nodes(3);
    let service = world.create_service(every_node("agent"));
    let desired = |world: &World| {
        world
            .state
            .service(service)
            .map(|service| service.status.desired_tasks)
    };
    assert_eq!(desired(&world), Some(3));
    world.apply([Write::SetNodeState {
        node: NodeId(2),
        state: NodeState::Down,
        message: "silent".into(),
    }]);
    assert_eq!(desired(&world), Some(2));
    world.apply([create_node(4)]);
    assert_eq!(desired(&world), Some(3));
}

#[test]
fn a_request_is_remembered_for_its_time() {
    let mut world = World::with_nodes(1);
    let request = Request {
        id: "r1".into(),
        digest: [0; 32],
        object: ObjectId::Service(ServiceId(5)),
    };
    let change = |world: &World| Change {
        request: Some(request.clone()),
        time: world.now,
        ..Change::default()
    };
    let first = change(&world);
    assert_eq!(world.apply_change(first.clone()).refusal, None);
    assert_eq!(
        world.apply_change(first).refusal,
        Some(Refusal::RequestKnown)
    );
    world.now = world.now.after(REQUEST_MEMORY * 2);
    let other = Change {
        request: Some(Request {
            id: "r2".into(),
            ..request.clone()
        }),
        ..change(&world)
    };
    world.apply_change(other);
    assert!(world.state.request("r1").is_none());
    assert!(world.state.request("r2").is_some());
}

#[test]
fn an_image_gives_the_same_state_again() {
    let mut world = World::with_nodes(2);
    let service = world.create_service(replicated("web", 2));
    for slot in 1..=2 {
        let task = new_task(&mut world, service, slot);
        let id = task.id;
        world.apply([
            Write::CreateTask(task),
            Write::AssignTask {
                task: id,
                node: NodeId(1),
            },
        ]);
        world.now = Timestamp(world.now.0 + 5);
        world.observe(id, TaskState::Running);
    }
    let again = State::from_image(world.state.image());
    assert_eq!(format!("{again:?}"), format!("{:?}", world.state));
}

#[test]
fn the_past_is_the_present_with_later_steps_undone() {
    let mut world = World::with_nodes(1);
    let mut history = History::starting_after(world.state.revision(), HistoryLimits::default());
    let mut states = vec![world.state.clone()];
    let service = ServiceId(77);
    let spec = Arc::new(replicated("web", 1));
    let ports = Vec::new();
    for write in [
        Write::CreateService {
            id: service,
            spec,
            ports,
        },
        Write::MarkServiceDeleting { service },
        Write::DeleteService { service },
        create_node(2),
        Write::DeleteNode { node: NodeId(1) },
    ] {
        history.push(world.apply([write]).step);
        states.push(world.state.clone());
    }
    for state in &states {
        let past = history
            .objects_at(&world.state, state.revision())
            .expect("it is kept");
        assert_eq!(past.services, state.services);
        assert_eq!(past.nodes, state.nodes);
    }
    assert!(history.objects_at(&world.state, Revision(1)).is_none());
}
