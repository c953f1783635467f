// SPDX-License-Identifier: Apache-2.0
//! What one end says is what the other end hears.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use skep_core::assign::{
    AssignedTask, AssignedTemplate, Assignment, Assignments, Held, Unassignment,
};
use skep_core::filter::TaskFilter;
use skep_core::model::{
    Backend, BackendState, Condition, DesiredState, DrainPhase, NodeDescription, NodeId, Platform,
    PortMode, Protocol, Resources, Revision, ServiceEndpoints, ServiceId, TaskId, TaskState,
    Timestamp,
};
use skep_core::node_agent::{StatusReport, StopCause, StopHow, Stopping, TaskRecord};
use skep_core::session::{
    AgentMessage, AssignmentsAck, Hello, LogRequest, LogSubscription, ManagerMessage, Welcome,
};
use skep_core::state::Observation;
use skep_core::testing::{tcp, template};
use skep_proto::internal::v1 as internal;
use skep_proto::internal::v1::{assignment, endpoint};

use super::*;

fn task(id: u128) -> AssignedTask {
    AssignedTask {
        id: TaskId(id),
        name: "web.1".into(),
        service: ServiceId(7),
        slot: 1,
        attempt: 2,
        template_revision: Revision(5),
        desired: DesiredState::Ready,
        restart_time: Some(Timestamp::from_millis(12)),
        drain: None,
        state: TaskState::Assigned,
    }
}

/// A task that is to stop.
fn leaving(id: u128, drain: DrainPhase) -> AssignedTask {
    AssignedTask {
        desired: DesiredState::Stopped,
        restart_time: None,
        drain: Some(drain),
        state: TaskState::Running,
        ..task(id)
    }
}

fn made_from() -> AssignedTemplate {
    AssignedTemplate {
        service: ServiceId(7),
        revision: Revision(5),
        template: Arc::new(template()),
        ports: vec![tcp(80, 30_000, PortMode::Ingress)],
        image: "web:1@sha256:00".into(),
        service_name: "web".into(),
        service_labels: Arc::new([("team".to_owned(), "a".to_owned())].into()),
    }
}

fn endpoints() -> ServiceEndpoints {
    let states = [
        BackendState::Serving,
        BackendState::Draining,
        BackendState::Suspect,
    ];
    let backend = |(number, state): (usize, BackendState)| Backend {
        task: TaskId(number as u128 + 1),
        state,
        address: [127, 0, 0, 1].into(),
        ports: vec![tcp(80, 20_001, PortMode::Ingress)],
    };
    ServiceEndpoints {
        service: ServiceId(7),
        name: "web".into(),
        ports: vec![tcp(80, 30_000, PortMode::Ingress)],
        backends: states.into_iter().enumerate().map(backend).collect(),
    }
}

fn step() -> Assignments {
    Assignments {
        revision: Revision(9),
        reset: true,
        put: vec![
            Assignment::Template(made_from()),
            Assignment::Task(task(1)),
            Assignment::Endpoints(Arc::new(endpoints())),
            Assignment::Task(leaving(2, DrainPhase::Leaving)),
            Assignment::Task(leaving(3, DrainPhase::Left)),
        ],
        remove: vec![
            Unassignment::Task(TaskId(4)),
            Unassignment::Template(ServiceId(7), Revision(3)),
            Unassignment::Endpoints(ServiceId(8)),
        ],
    }
}

/// A message as it comes out of the wire at the other end.
fn sent<M: Message + Default>(message: &M) -> M {
    M::decode(message.encode_to_vec().as_slice()).expect("what was encoded")
}

#[test]
fn a_service_of_a_thousand_backends_is_some_seventy_kilobytes() {
    let backend = |number: u16| Backend {
        task: TaskId(u128::MAX - u128::from(number)),
        state: BackendState::Serving,
        address: [192, 168, 100, 200].into(),
        ports: vec![tcp(8_080, 20_001, PortMode::Ingress)],
    };
    let step = Assignments {
        put: vec![Assignment::Endpoints(Arc::new(ServiceEndpoints {
            backends: (0..1_000).map(backend).collect(),
            ..endpoints()
        }))],
        ..Assignments::default()
    };
    let bytes = assignments_message(&step).encoded_len();
    assert!((60_000..80_000).contains(&bytes), "{bytes} bytes");
}

#[test]
fn assignments_arrive_as_they_were_sent() {
    let message = sent(&assignments_message(&step()));
    assert_eq!(read_assignments(message), Ok(step()));
}

#[test]
fn what_is_not_understood_is_refused_whole() {
    let mut message = assignments_message(&step());
    message.put[0].item = None;
    let refused = read_assignments(message).expect_err("nothing is assigned");
    assert_eq!(
        refused.to_string(),
        "a message cannot be understood: what is assigned is missing"
    );

    let mut message = assignments_message(&step());
    let Some(assignment::Item::Endpoints(endpoints)) = &mut message.put[2].item else {
        panic!("the endpoints are the third");
    };
    endpoints.endpoints[0].state = endpoint::State::Unspecified.into();
    let refused = read_assignments(message).expect_err("no state");
    assert!(refused.to_string().contains("state 0"), "{refused}");
}

#[test]
fn a_node_remembers_all_it_was_given() {
    let mut held = Held::default();
    held.apply(Assignments {
        remove: Vec::new(),
        ..step()
    })
    .expect("the first step");
    assert_eq!(decode_held(&encode_held(&held)), Ok(held));
    assert_eq!(
        decode_held(&encode_held(&Held::default())),
        Ok(Held::default())
    );
    assert!(decode_held(b"\xff\xff").is_err());
}

#[test]
fn a_report_arrives_as_it_was_sent() {
    let mut failed = Observation::of(TaskState::Failed, Timestamp(5)).because("EXITED", "bye");
    failed.exit_code = Some(137);
    failed.signal = 9;
    let mut running = Observation::of(TaskState::Running, Timestamp(6));
    running.pid = 77;
    running.ports = vec![tcp(80, 20_001, PortMode::Ingress)];
    let tasks = BTreeMap::from([(TaskId(1), failed), (TaskId(2), running)]);

    let message = report_message(3, tasks.iter().map(|(task, seen)| (*task, seen)));
    assert_eq!(read_report(sent(&message)), Ok((3, tasks)));
}

#[test]
fn a_report_of_what_is_no_task_is_refused() {
    let message = internal::StatusReport {
        seq: 1,
        tasks: [("svc_x".to_owned(), Default::default())].into(),
    };
    assert!(read_report(message).is_err());
}

fn description() -> NodeDescription {
    NodeDescription {
        hostname: "host".to_owned(),
        address: [10, 0, 0, 1].into(),
        platform: Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
        },
        version: "0.1.0".to_owned(),
        capabilities: vec!["workload.process".to_owned()],
        capacity: Resources {
            cpu_millis: 2_000,
            memory_bytes: 1 << 30,
        },
        ports_in_use: vec![(80, Protocol::Tcp)],
        conditions: vec![Condition {
            kind: "PORT_IN_USE".into(),
            holds: true,
            reason: "IN_USE".into(),
            message: "port 80 is held".into(),
            observed_spec_revision: Revision(0),
            transition_time: Timestamp(4),
        }],
    }
}

fn welcome() -> Welcome {
    Welcome {
        heartbeat: Duration::from_millis(1_500),
        node: NodeId(4),
        name: "node-4".into(),
        labels: Arc::new([("zone".to_owned(), "a".to_owned())].into()),
    }
}

#[test]
fn what_an_agent_says_is_heard() {
    let seen = Observation::of(TaskState::Running, Timestamp(6));
    for said in [
        AgentMessage::Hello(Hello {
            description: Arc::new(description()),
            after: Revision(8),
            acked: 3,
        }),
        AgentMessage::Heartbeat,
        AgentMessage::Node(Arc::new(description())),
        AgentMessage::Report(StatusReport {
            seq: 4,
            tasks: BTreeMap::from([(TaskId(2), seen)]),
        }),
        AgentMessage::Ack(AssignmentsAck {
            tasks: Revision(9),
            endpoints: Revision(7),
        }),
    ] {
        let message = sent(&agent_message(&said));
        assert_eq!(read_agent_message(message), Ok(said));
    }
    let empty = internal::SessionRequest::default();
    assert_eq!(read_agent_message(empty), Ok(AgentMessage::Heartbeat));
    assert!(read_node(None).is_err());
}

#[test]
fn what_a_manager_says_is_heard() {
    let wanted = LogRequest {
        filter: TaskFilter {
            tasks: vec![TaskId(1), TaskId(2)],
            ..TaskFilter::default()
        },
        follow: true,
        tail: Some(0),
        since: Some(Timestamp(5)),
    };
    for said in [
        ManagerMessage::Welcome(welcome()),
        ManagerMessage::Assignments(step()),
        ManagerMessage::ReportAck(4),
        ManagerMessage::Logs(LogSubscription {
            id: "7".into(),
            request: Some(wanted),
        }),
        ManagerMessage::Logs(LogSubscription {
            id: "7".into(),
            request: None,
        }),
        ManagerMessage::Alive,
    ] {
        let message = sent(&manager_message(&said));
        assert_eq!(read_manager_message(message), Ok(said));
    }
}

#[test]
fn an_agent_remembers_what_it_did() {
    let record = |task, stopping: Option<Stopping>| TaskRecord {
        task: TaskId(task),
        reported: Observation::of(TaskState::Running, Timestamp(6)).because("STOPPING", ""),
        started: true,
        stop: StopHow {
            signal: 15,
            grace: Duration::from_secs(10),
        },
        drained_since: stopping.map(|_| Timestamp(5)),
        stopping,
    };
    let stopping = |cause| {
        Some(Stopping {
            cause,
            since: Timestamp(7),
            insist_at: Timestamp(8),
        })
    };
    let memory = AgentMemory {
        welcome: Some(welcome()),
        tasks: vec![
            record(1, None),
            record(2, stopping(StopCause::Wanted)),
            record(3, stopping(StopCause::StartDeadline)),
        ],
    };
    let bytes = encode_memory(memory.welcome.as_ref(), &memory.tasks);
    assert_eq!(decode_memory(&bytes), Ok(memory));
    assert_eq!(decode_memory(b""), Ok(AgentMemory::default()));
    assert!(decode_memory(b"\x12\x00").is_err());
}
