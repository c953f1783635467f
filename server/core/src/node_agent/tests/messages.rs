// SPDX-License-Identifier: Apache-2.0
//! What a task is told, and what the managers are told of it.

use super::*;
use crate::state::{NewTask, Observation, Write};
use crate::testing::{World, replicated};

fn facts() -> NodeFacts {
    NodeFacts {
        id: NodeId(2),
        name: "node-2".into(),
        labels: Arc::new(Labels::from([("zone".to_owned(), "a".to_owned())])),
        hostname: "host-2".to_owned(),
        platform: Platform {
            os: "linux".to_owned(),
            architecture: "arm64".to_owned(),
        },
        address: [127, 0, 0, 2].into(),
    }
}

fn launch_with(env: &[(&str, &str)], ports: Vec<Port>) -> Result<Launch, BadPlaceholder> {
    let mut made_from = assigned_template();
    made_from.ports.clone_from(&ports);
    let env = env
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Arc::make_mut(&mut made_from.template).workload = Workload::Process(Process {
        env,
        ..Process::default()
    });
    let task = assigned(DesiredState::Running, TaskState::Assigned);
    launch(&task, &made_from, &facts(), ports)
}

#[test]
fn the_environment_of_a_task() {
    let ports = vec![
        tcp(80, 20_007, PortMode::Ingress),
        tcp(90, 9_090, PortMode::Host),
    ];
    let env = [
        ("WHO", "{{.Task.Name}} {{.Task.Slot}} {{.Task.ID}}"),
        ("WHERE", "{{.Node.ID}} {{.Node.Name}} {{.Node.Hostname}}"),
        (
            "ON",
            "{{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}",
        ),
        ("OF", "{{.Service.ID}} {{.Service.Name}}"),
        (
            "LABELS",
            "{{.Service.Labels.team}},{{.Node.Labels.zone}},{{.Node.Labels.none}}",
        ),
        ("SKEP_SLOT", "mine"),
    ];
    let launch = launch_with(&env, ports).expect("good placeholders");
    let Program::Process(process) = launch.program else {
        panic!("it is a process");
    };
    let env: Vec<_> = process
        .env
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let want = [
        "LABELS=blue,a,".to_owned(),
        format!("OF={SERVICE} web"),
        "ON=linux/arm64".to_owned(),
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        "PORT=20007".to_owned(),
        "SKEP_ADDR=127.0.0.2".to_owned(),
        "SKEP_NODE_NAME=node-2".to_owned(),
        "SKEP_PORT_80=20007".to_owned(),
        "SKEP_PORT_90=9090".to_owned(),
        "SKEP_SERVICE_NAME=web".to_owned(),
        "SKEP_SLOT=mine".to_owned(),
        format!("SKEP_TASK_ID={TASK}"),
        "SKEP_TASK_NAME=web.3".to_owned(),
        format!("WHERE={} node-2 host-2", NodeId(2)),
        format!("WHO=web.3 3 {TASK}"),
    ];
    assert_eq!(env, want);
    assert_eq!((launch.stop.signal, launch.stop.grace.as_secs()), (2, 20));
    assert!(launch_with(&[("X", "{{.Nope}}")], Vec::new()).is_err());
}

#[test]
fn the_port_of_a_task_is_one_with_tcp_if_there_is_one() {
    let udp = |target, published| Port {
        protocol: Protocol::Udp,
        ..tcp(target, published, PortMode::Ingress)
    };
    let port = |template: AssignedTemplate, ports: &[Port]| {
        let task = assigned(DesiredState::Running, TaskState::Assigned);
        let launch = launch(&task, &template, &facts(), ports.to_vec());
        match launch.expect("nothing is wrong").program {
            Program::Process(process) => process.env.get("PORT").cloned(),
            Program::Container(_) => panic!("it is a process"),
        }
    };
    let publishing = |ports: &[Port]| AssignedTemplate {
        ports: ports.to_vec(),
        ..assigned_template()
    };
    let both = [udp(53, 20_001), tcp(80, 20_002, PortMode::Ingress)];
    assert_eq!(port(publishing(&both), &both).as_deref(), Some("20002"));
    // The other is only there for a health check.
    let published = publishing(&both[..1]);
    assert_eq!(port(published, &both).as_deref(), Some("20001"));
    assert_eq!(port(publishing(&[]), &both[1..]).as_deref(), Some("20002"));
    assert_eq!(port(publishing(&[]), &[]), None);
}

fn seen(state: TaskState) -> Observation {
    Observation::of(state, Timestamp::from_millis(1))
}

#[test]
fn reports_are_merged_numbered_and_forgotten() {
    let mut queue = ReportQueue::default();
    assert_eq!(queue.next_report(), None);
    queue.push(TASK, seen(TaskState::Preparing));
    queue.push(TASK, seen(TaskState::Running));
    let first = queue.next_report().expect("something to tell");
    assert_eq!(first.seq, 1);
    assert_eq!(
        first.tasks,
        BTreeMap::from([(TASK, seen(TaskState::Running))])
    );
    queue.push(TASK, seen(TaskState::Failed));
    assert_eq!(queue.next_report().map(|report| report.seq), Some(2));
    queue.acknowledge(1);
    assert_eq!((queue.acked, queue.sent.len()), (1, 1));

    queue.begin_again();
    let again = queue.next_report().expect("what was not acknowledged");
    assert_eq!(again.seq, 2);
    assert_eq!(
        again.tasks,
        BTreeMap::from([(TASK, seen(TaskState::Failed))])
    );
    queue.acknowledge(2);
    assert!(queue.is_empty());
    assert_eq!(queue.acked, 2);
}

#[test]
fn of_what_is_told_again_the_newest_counts() {
    let mut queue = ReportQueue::default();
    for state in [
        TaskState::Preparing,
        TaskState::Starting,
        TaskState::Running,
    ] {
        queue.push(TASK, seen(state));
        queue.next_report();
    }
    queue.begin_again();
    assert_eq!(
        queue.waiting,
        BTreeMap::from([(TASK, seen(TaskState::Running))])
    );
}

#[test]
fn reports_have_limits() {
    let mut queue = ReportQueue::default();
    let tasks = REPORT_TASKS_MAX * (REPORTS_IN_FLIGHT_MAX + 1) + 1;
    for task in 0..tasks {
        queue.push(TaskId(task as u128), seen(TaskState::Running));
    }
    let mut seqs = Vec::new();
    while let Some(report) = queue.next_report() {
        assert_eq!(report.tasks.len(), REPORT_TASKS_MAX);
        seqs.push(report.seq);
    }
    assert_eq!(seqs, [1, 2, 3, 4]);
    queue.acknowledge(2);
    let sizes: Vec<_> = std::iter::from_fn(|| queue.next_report())
        .map(|report| report.tasks.len())
        .collect();
    assert_eq!(sizes, [REPORT_TASKS_MAX, 1]);
}

/// Two tasks, the first on node 1 and the second on node 2.
fn two_tasks(world: &mut World) -> [TaskId; 2] {
    let service = world.create_service(replicated("web", 2));
    let template_revision = world.state.revision();
    [1, 2].map(|number| {
        let task = TaskId(world.next_id());
        let writes = [
            Write::CreateTask(NewTask {
                id: task,
                service,
                slot: number,
                attempt: 1,
                template_revision,
                node: None,
                desired: DesiredState::Running,
                restart_time: None,
                restart: RestartMemory::default(),
                step: None,
                beside: false,
            }),
            Write::AssignTask {
                task,
                node: NodeId(u128::from(number)),
            },
        ];
        assert_eq!(world.apply(writes).refusal, None);
        task
    })
}

/// What is taken over from a report of node 1: how many writes, and what is refused.
fn merge(world: &World, task: TaskId, seen: Observation) -> (usize, Vec<(TaskId, RefusedReport)>) {
    let merged = merge_status(&world.state, NodeId(1), [(&task, &seen)]);
    (merged.writes.len(), merged.refused)
}

#[test]
fn managers_refuse_what_is_not_for_an_agent_to_say() {
    let mut world = World::with_nodes(2);
    let [on_first, on_second] = two_tasks(&mut world);
    let none = Vec::new;
    assert_eq!(
        merge(&world, on_first, seen(TaskState::Running)),
        (1, none())
    );
    let foreign = vec![(on_second, RefusedReport::NotItsTask)];
    assert_eq!(
        merge(&world, on_second, seen(TaskState::Running)),
        (0, foreign)
    );
    for state in [TaskState::Pending, TaskState::Assigned, TaskState::Orphaned] {
        let refused = vec![(on_first, RefusedReport::NotItsState)];
        assert_eq!(merge(&world, on_first, seen(state)), (0, refused));
    }
    assert_eq!(
        merge(&world, TaskId(1), seen(TaskState::Running)),
        (0, none())
    );
}

#[test]
fn managers_take_over_what_is_new() {
    let mut world = World::with_nodes(2);
    let [on_first, _] = two_tasks(&mut world);
    let none = Vec::new;
    world.observe(on_first, TaskState::Running);
    assert_eq!(
        merge(&world, on_first, seen(TaskState::Running)),
        (0, none()),
        "no news"
    );
    assert_eq!(
        merge(&world, on_first, seen(TaskState::Starting)),
        (0, none()),
        "older"
    );
    let stopping = seen(TaskState::Running).because("STOPPING", "");
    assert_eq!(merge(&world, on_first, stopping), (1, none()));
    world.observe(on_first, TaskState::Failed);
    assert_eq!(
        merge(&world, on_first, seen(TaskState::Rejected)),
        (0, none()),
        "it ended"
    );
}
