// SPDX-License-Identifier: Apache-2.0
//! What is written is what is read.

use std::sync::Arc;

use skep_core::model::{
    DesiredState, NodeId, NodeState, ObjectId, Outcome, PlacementCheck, PortMode, RestartMemory,
    Revision, Rollout, RolloutCounts, RolloutState, RolloutStep, ServiceId, ServiceSpec, TaskId,
    TaskState, Timestamp, Unplaced, UnplacedCause, UpdatePolicy, Verdict,
};
use skep_core::state::{
    Because, Change, History, HistoryLimits, NewTask, Observation, Precondition, Request, Write,
};
use skep_core::testing::{World, create_node, every_node, replicated, tcp};

use super::*;

fn step() -> RolloutStep {
    RolloutStep {
        leg: Revision(5),
        begun: Timestamp(6),
        turn_over: Some(Timestamp(7)),
        overlaps: true,
        verdict: Some(Verdict::Passed),
    }
}

fn rollout() -> Rollout {
    let way = (Revision(3), Revision(4));
    let begun = Rollout::begin(RolloutState::RollbackPaused, way, Revision(5), Timestamp(6));
    Rollout {
        leg: Revision(7),
        leg_time: Timestamp(8),
        revision: Revision(9),
        judged_spec: Revision(8),
        reason: "TASK_FAILED".into(),
        message: "it failed".into(),
        end_time: Some(Timestamp(9)),
        next_step_time: Some(Timestamp(10)),
        counts: RolloutCounts {
            total: 4,
            updated: 1,
            updating: 2,
            failed: 1,
        },
        last_failed_task: Some(TaskId(1 << 70)),
        automatic: true,
        ..begun
    }
}

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
            early_ends: 3,
        },
        step: Some(step()),
        beside: true,
    };
    let because = Because {
        reason: "TASK_FAILED".into(),
        message: "it failed".into(),
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
        Write::ReuseTemplate {
            service,
            spec: Arc::new(replicated("web", 1)),
            ports: vec![tcp(80, 30_000, PortMode::Ingress)],
            revision: Revision(4),
            back: Some(because),
        },
        Write::SetRollout {
            service,
            rollout: Box::new(rollout()),
        },
        Write::JudgeStep {
            task,
            verdict: Some(Verdict::Failed),
            leg: Revision(8),
        },
        Write::MarkGood {
            service,
            revision: Revision(4),
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
        Write::ReleaseTask {
            task,
            unconfirmed: true,
        },
        Write::SettleTask {
            task,
            outcome: Outcome::GaveUp,
        },
        Write::MarkStable { task },
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
            Precondition::RolloutRevision(ServiceId(2), Revision(9)),
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
        step: Some(step()),
        beside: false,
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
    let runs = Write::ObserveTask {
        task: id,
        observation: Observation {
            ports: vec![tcp(80, 20_000, PortMode::Ingress)],
            ..Observation::of(TaskState::Running, world.now)
        },
    };
    history.push(world.apply([runs]).step);
    history.push(world.apply([Write::DeleteNode { node: NodeId(2) }]).step);
    let known = world.state.service(service).expect("it is there").clone();
    let mut spec = ServiceSpec::clone(&known.spec);
    Arc::make_mut(&mut spec.template).restart_token = "new".to_owned();
    spec.update = Some(UpdatePolicy {
        parallelism: Some(0),
        ..UpdatePolicy::default()
    });
    let put = Write::PutServiceSpec {
        service,
        spec: Arc::new(spec),
        ports: vec![tcp(80, 20_000, PortMode::Ingress)],
        new_template: true,
    };
    history.push(world.apply([put]).step);
    let target = world.state.revision();
    let resumed = Rollout {
        target,
        leg: Revision::THIS,
        ..rollout()
    };
    let write = Write::SetRollout {
        service,
        rollout: Box::new(resumed),
    };
    history.push(world.apply([write]).step);
    world.apply([Write::MarkGood {
        service,
        revision: known.template_revision,
    }]);
    let stop = Write::SetDesired {
        task: id,
        desired: DesiredState::Stopped,
    };
    history.push(world.apply([stop]).step);
    let release = Write::ReleaseTask {
        task: id,
        unconfirmed: true,
    };
    history.push(world.apply([release]).step);
    let drain = world.state.task(id).and_then(|task| task.drain);
    assert!(drain.and_then(|drain| drain.released).is_some());
    history.push(world.observe(id, TaskState::Failed).step);

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
