// SPDX-License-Identifier: Apache-2.0
//! What is written is what is read.

use std::sync::Arc;

use skep_core::model::{
    DesiredState, NodeId, NodeState, ObjectId, Outcome, PlacementCheck, PortMode, RestartMemory,
    Revision, ServiceId, TaskId, TaskState, Timestamp, Unplaced, UnplacedCause,
};
use skep_core::state::{
    Change, History, HistoryLimits, NewTask, Observation, Precondition, Request, Write,
};
use skep_core::testing::{World, create_node, every_node, replicated, tcp};

use super::*;

fn writes() -> Vec<Write> {
    let (task, service, node) = (TaskId(1 << 70), ServiceId(2), NodeId(3));
    let spec = Arc::new(every_node("web"));
    let ports = vec![tcp(80, 30_000, PortMode::Ingress)];
    let mut seen = Observation::of(TaskState::Failed, Timestamp(5)).because("EXITED", "gone");
    seen.exit_code = Some(3);
    seen.ports = ports.clone();
    let cause = UnplacedCause {
        check: PlacementCheck::Memory,
        nodes: 3,
        message: "too little".into(),
    };
    let unplaced = Unplaced {
        service,
        tasks: 1,
        nodes: 3,
        causes: vec![cause],
    };
    let new = NewTask {
        id: task,
        service,
        slot: 1,
        attempt: 2,
        template_revision: Revision(4),
        node: Some(node),
        desired: DesiredState::Ready,
        restart_time: Some(Timestamp(7)),
        restart: RestartMemory {
            streak: 1,
            window_attempts: 2,
            window_start: Timestamp(6),
        },
    };
    vec![
        create_node(3),
        Write::SetNodeState {
            node,
            state: NodeState::Down,
            message: "silent".into(),
        },
        Write::DeleteNode { node },
        Write::CreateService {
            id: service,
            spec: spec.clone(),
            ports: ports.clone(),
        },
        Write::PutServiceSpec {
            service,
            spec,
            ports,
            new_template: true,
        },
        Write::MarkServiceDeleting { service },
        Write::DeleteService { service },
        Write::DropTemplate {
            service,
            revision: Revision(4),
        },
        Write::CreateTask(new),
        Write::AssignTask { task, node },
        Write::SetUnplaced {
            task,
            unplaced: Arc::new(unplaced),
        },
        Write::SetDesired {
            task,
            desired: DesiredState::Stopped,
        },
        Write::ObserveTask {
            task,
            observation: seen,
        },
        Write::SettleTask {
            task,
            outcome: Outcome::GaveUp,
        },
        Write::DeleteTask { task },
    ]
}

#[test]
fn a_change_survives_the_log() {
    let object = ObjectId::Service(ServiceId(2));
    let change = Change {
        preconditions: vec![
            Precondition::Revision(object, Revision(8)),
            Precondition::SpecRevision(object, Revision(9)),
        ],
        writes: writes(),
        time: Timestamp(123_456_789_012),
        caller: "uid:0".into(),
        request: Some(Request {
            id: "r".into(),
            digest: [7; 32],
            object,
        }),
    };
    assert_eq!(decode_change(&encode_change(&change)), Ok(change));
}

#[test]
fn damaged_bytes_are_refused() {
    assert!(decode_change(&[0xff; 9]).is_err());
    let empty = skep_proto::internal::v1::Change {
        writes: vec![skep_proto::internal::v1::Write { action: None }],
        ..Default::default()
    };
    assert!(decode_change(&prost::Message::encode_to_vec(&empty)).is_err());
}

#[test]
fn a_state_and_its_history_survive_a_snapshot() {
    let mut world = World::with_nodes(3);
    let mut history = History::starting_after(world.state.revision(), HistoryLimits::default());
    let service = world.create_service(replicated("web", 2));
    history.push(skep_core::state::Step {
        revision: world.state.revision(),
        time: world.now,
        events: Arc::new([]),
    });
    let id = TaskId(world.next_id());
    let new = NewTask {
        id,
        service,
        slot: 1,
        attempt: 1,
        template_revision: world.state.revision(),
        node: None,
        desired: DesiredState::Running,
        restart_time: None,
        restart: RestartMemory::default(),
    };
    history.push(world.apply([Write::CreateTask(new)]).step);
    history.push(
        world
            .apply([Write::AssignTask {
                task: id,
                node: NodeId(1),
            }])
            .step,
    );
    history.push(world.observe(id, TaskState::Running).step);
    history.push(world.apply([Write::DeleteNode { node: NodeId(2) }]).step);

    let mut reader = SnapshotReader::default();
    for record in snapshot_records(&world.state, &history) {
        reader.record(&record).expect("it can be read");
    }
    let (state, read) = reader.finish().expect("it is whole");
    assert_eq!(format!("{state:?}"), format!("{:?}", world.state));
    assert_eq!(read.compacted(), history.compacted());
    assert_eq!(read.head(), history.head());
    assert_eq!(
        format!("{:?}", read.steps().collect::<Vec<_>>()),
        format!("{:?}", history.steps().collect::<Vec<_>>())
    );
}
