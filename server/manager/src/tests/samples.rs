// SPDX-License-Identifier: Apache-2.0
//! For each method with one answer a good request in which every field is set.

use std::collections::BTreeMap;

use prost::Name;
use prost_reflect::{DynamicMessage, Kind, ReflectMessage, Value};
use prost_types::{Duration, FieldMask};
use skep_proto::v1;

use super::desk::spec;
use super::raw::pool;

/// A path and a request. The names in them are those of [`super::limits`]'s world.
pub(super) struct Sample {
    pub(super) path: &'static str,
    pub(super) request: DynamicMessage,
}

fn sample<M: Name>(path: &'static str, request: &M) -> Sample {
    let descriptor = pool()
        .get_message_by_name(&M::full_name())
        .expect("a message of ours");
    let bytes = request.encode_to_vec();
    let request = DynamicMessage::decode(descriptor, bytes.as_slice()).expect("its own bytes");
    Sample { path, request }
}

/// All of them, but those of streams.
pub(super) fn all() -> Vec<Sample> {
    let mut samples = services();
    samples.extend(nodes());
    samples.extend(tasks());
    samples.extend(swarm());
    samples
}

fn services() -> Vec<Sample> {
    let containers = super::containers::full_services().into_iter();
    let mut samples: Vec<_> = containers
        .map(|spec| {
            sample(
                "/skep.v1.ServiceService/CreateService",
                &v1::CreateServiceRequest {
                    spec: Some(spec),
                    request_id: String::new(),
                },
            )
        })
        .collect();
    samples.extend([
        sample(
            "/skep.v1.ServiceService/CreateService",
            &v1::CreateServiceRequest {
                spec: Some(full_service("new")),
                request_id: "r-create".to_owned(),
            },
        ),
        sample(
            "/skep.v1.ServiceService/GetService",
            &v1::GetServiceRequest {
                service: "web".to_owned(),
                consistency: local(),
            },
        ),
        sample(
            "/skep.v1.ServiceService/WaitService",
            &v1::WaitServiceRequest {
                service: "web".to_owned(),
                goal: v1::wait_service_request::Goal::Converged.into(),
                timeout: seconds(1),
                stable_for: seconds(1),
                spec_revision: 1,
            },
        ),
        sample(
            "/skep.v1.ServiceService/ListServices",
            &v1::ListServicesRequest {
                filter: Some(service_filter()),
                page_size: 5,
                page_token: "00".to_owned(),
                consistency: local(),
            },
        ),
        sample(
            "/skep.v1.ServiceService/UpdateService",
            &v1::UpdateServiceRequest {
                service: "web".to_owned(),
                spec: Some(full_service("web")),
                update_mask: None,
                if_spec_revision: 0,
                allow_missing: true,
                request_id: "r-update".to_owned(),
            },
        ),
        sample(
            "/skep.v1.ServiceService/DeleteService",
            &v1::DeleteServiceRequest {
                service: "nothing".to_owned(),
                if_spec_revision: 1,
                allow_missing: true,
                request_id: "r-delete".to_owned(),
            },
        ),
        sample(
            "/skep.v1.ServiceService/ControlRollout",
            &v1::ControlRolloutRequest {
                service: "web".to_owned(),
                action: v1::control_rollout_request::Action::Rollback.into(),
                to_template_revision: 4,
                if_spec_revision: 1,
                request_id: "r-control".to_owned(),
            },
        ),
        sample(
            "/skep.v1.ServiceService/ListServiceRevisions",
            &v1::ListServiceRevisionsRequest {
                service: "web".to_owned(),
                page_size: 5,
                page_token: "00".to_owned(),
                consistency: local(),
            },
        ),
    ]);
    samples
}

fn nodes() -> Vec<Sample> {
    vec![
        sample(
            "/skep.v1.NodeService/GetNode",
            &v1::GetNodeRequest {
                node: "node-2".to_owned(),
                consistency: local(),
            },
        ),
        sample(
            "/skep.v1.NodeService/ListNodes",
            &v1::ListNodesRequest {
                filter: Some(node_filter()),
                page_size: 5,
                page_token: "00".to_owned(),
                consistency: local(),
            },
        ),
        sample(
            "/skep.v1.NodeService/UpdateNode",
            &v1::UpdateNodeRequest {
                node: "node-2".to_owned(),
                spec: Some(full_node("node-2")),
                update_mask: Some(mask(&["name", "labels", "availability"])),
                if_spec_revision: 0,
                request_id: "r-node".to_owned(),
            },
        ),
        sample(
            "/skep.v1.NodeService/DeleteNode",
            &v1::DeleteNodeRequest {
                node: "nothing".to_owned(),
                force: true,
                if_spec_revision: 1,
                allow_missing: true,
                request_id: "r-forget".to_owned(),
            },
        ),
    ]
}

fn tasks() -> Vec<Sample> {
    let task = "tsk_00000000000000000000000000".to_owned();
    vec![
        sample(
            "/skep.v1.TaskService/GetTask",
            &v1::GetTaskRequest {
                task: task.clone(),
                consistency: local(),
            },
        ),
        sample(
            "/skep.v1.TaskService/ListTasks",
            &v1::ListTasksRequest {
                filter: Some(task_filter()),
                page_size: 5,
                page_token: "00".to_owned(),
                consistency: local(),
            },
        ),
        sample(
            "/skep.v1.TaskService/StopTask",
            &v1::StopTaskRequest {
                task,
                request_id: "r-stop".to_owned(),
            },
        ),
    ]
}

fn swarm() -> Vec<Sample> {
    vec![
        sample(
            "/skep.v1.SwarmService/GetSwarm",
            &v1::GetSwarmRequest {
                consistency: local(),
            },
        ),
        sample(
            "/skep.v1.SwarmService/UpdateSwarm",
            &v1::UpdateSwarmRequest {
                spec: Some(full_swarm()),
                update_mask: None,
                if_spec_revision: 0,
                request_id: "r-swarm".to_owned(),
            },
        ),
        sample("/skep.v1.DaemonService/GetDaemon", &v1::GetDaemonRequest {}),
        sample(
            "/skep.v1.DaemonService/InitSwarm",
            &v1::InitSwarmRequest {
                spec: Some(full_swarm()),
                node_name: "first".to_owned(),
                availability: v1::node_spec::Availability::Pause.into(),
            },
        ),
        sample(
            "/skep.v1.DaemonService/LeaveSwarm",
            &v1::LeaveSwarmRequest { force: true },
        ),
    ]
}

pub(super) fn local() -> Option<v1::Consistency> {
    Some(v1::Consistency {
        level: Some(v1::consistency::Level::Local(true)),
    })
}

pub(super) fn mask(paths: &[&str]) -> FieldMask {
    FieldMask {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    }
}

pub(super) fn pairs(key: &str, value: &str) -> BTreeMap<String, String> {
    [(key.to_owned(), value.to_owned())].into()
}

fn requirement(key: &str) -> v1::Requirement {
    v1::Requirement {
        key: key.to_owned(),
        operator: v1::requirement::Operator::NotIn.into(),
        values: vec!["x".to_owned()],
    }
}

pub(super) fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

pub(super) fn service_filter() -> v1::ServiceFilter {
    v1::ServiceFilter {
        services: vec!["web".to_owned()],
        requirements: vec![requirement("name")],
    }
}

pub(super) fn node_filter() -> v1::NodeFilter {
    v1::NodeFilter {
        nodes: vec!["node-2".to_owned()],
        roles: vec![v1::NodeRole::Worker.into()],
        states: vec![v1::node_status::State::Ready.into()],
        availabilities: vec![v1::node_spec::Availability::Active.into()],
        requirements: vec![requirement("node.ip")],
    }
    .with_values("10.0.0.0/8")
}

trait WithValues {
    fn with_values(self, value: &str) -> Self;
}

impl WithValues for v1::NodeFilter {
    fn with_values(mut self, value: &str) -> Self {
        self.requirements[0].values = vec![value.to_owned()];
        self
    }
}

pub(super) fn task_filter() -> v1::TaskFilter {
    v1::TaskFilter {
        tasks: vec!["tsk_00000000000000000000000000".to_owned()],
        services: vec!["web".to_owned()],
        nodes: vec!["node-2".to_owned()],
        states: vec![v1::TaskState::Running.into()],
        desired_states: vec![v1::TaskState::Running.into()],
        requirements: vec![requirement("labels.team")],
    }
}

pub(super) fn full_node(name: &str) -> v1::NodeSpec {
    v1::NodeSpec {
        name: name.to_owned(),
        labels: pairs("zone", "a"),
        availability: v1::node_spec::Availability::Pause.into(),
    }
}

pub(super) fn full_swarm() -> v1::SwarmSpec {
    v1::SwarmSpec {
        name: "bees".to_owned(),
        labels: pairs("team", "a"),
        task_history: Some(2),
        watch_history: seconds(700),
        heartbeat_period: seconds(2),
        down_after: seconds(20),
        orphan_after: seconds(90),
        snapshot_interval: Some(200),
    }
}

/// A service in which every field is set.
pub(super) fn full_service(name: &str) -> v1::ServiceSpec {
    let port = v1::Port {
        target: 80,
        published: 8_080,
        protocol: v1::port::Protocol::Udp.into(),
        mode: v1::port::Mode::Host.into(),
        name: "dns".to_owned(),
    };
    v1::ServiceSpec {
        labels: pairs("team", "a"),
        mode: Some(v1::service_spec::Mode::Replicated(v1::Replicated {
            replicas: Some(2),
        })),
        template: Some(full_template()),
        update: Some(full_policy()),
        rollback: Some(v1::UpdatePolicy {
            on_failure: v1::update_policy::OnFailure::Continue.into(),
            ..full_policy()
        }),
        endpoint: Some(v1::EndpointSpec { ports: vec![port] }),
        ..spec(name)
    }
}

fn full_policy() -> v1::UpdatePolicy {
    v1::UpdatePolicy {
        parallelism: Some(2),
        delay: seconds(1),
        order: v1::update_policy::Order::StartFirst.into(),
        monitor: seconds(2),
        progress_deadline: seconds(3),
        max_failure_percent: 25,
        on_failure: v1::update_policy::OnFailure::Rollback.into(),
    }
}

fn full_template() -> v1::TaskTemplate {
    v1::TaskTemplate {
        workload: Some(v1::task_template::Workload::Process(full_process())),
        reservations: Some(v1::Resources {
            cpu_millis: 500,
            memory_bytes: 1 << 20,
        }),
        limits: Some(v1::ResourceLimits {
            cpu_millis: 1_000,
            memory_bytes: 8 << 20,
            pids: 10,
        }),
        placement: Some(v1::Placement {
            requirements: vec![requirement("node.labels.zone")],
            spread: vec!["node.labels.zone".to_owned()],
            max_replicas_per_node: 2,
        }),
        restart: Some(v1::RestartPolicy {
            condition: v1::restart_policy::Condition::OnFailure.into(),
            delay: seconds(2),
            max_delay: seconds(30),
            max_attempts: 3,
            window: seconds(60),
        }),
        stop: Some(v1::StopPolicy {
            signal: "SIGINT".to_owned(),
            grace: seconds(5),
            drain: seconds(4),
        }),
        restart_token: "t1".to_owned(),
        ..v1::TaskTemplate::default()
    }
}

fn full_process() -> v1::Process {
    let limit = v1::Ulimit {
        soft: 1_024,
        hard: 4_096,
    };
    v1::Process {
        command: vec!["/bin/sh".to_owned()],
        args: vec!["-c".to_owned()],
        env: pairs("SLOT", "{{.Task.Slot}}"),
        dir: "/tmp".to_owned(),
        user: "nobody".to_owned(),
        groups: vec!["users".to_owned()],
        ulimits: [("nofile".to_owned(), limit)].into(),
    }
}

/// A place in a request: its path as violations name it, and the steps that lead there.
pub(super) struct Spot {
    pub(super) path: String,
    pub(super) steps: Vec<Step>,
    pub(super) field: prost_reflect::FieldDescriptor,
}

/// One step into a message.
#[derive(Clone)]
pub(super) enum Step {
    Field(String),
    Item(usize),
    Key(prost_reflect::MapKey),
}

/// Every field that is set in a message, at any depth.
pub(super) fn spots(message: &DynamicMessage) -> Vec<Spot> {
    let mut found = Vec::new();
    walk(message, "", &[], &mut found);
    found
}

fn walk(message: &DynamicMessage, path: &str, steps: &[Step], found: &mut Vec<Spot>) {
    for (field, value) in message.fields() {
        let name = match path {
            "" => field.name().to_owned(),
            path => format!("{path}.{}", field.name()),
        };
        // The contract flattens a choice into its message; so do paths.
        let mut steps = steps.to_vec();
        steps.push(Step::Field(field.name().to_owned()));
        found.push(Spot {
            path: name.clone(),
            steps: steps.clone(),
            field: field.clone(),
        });
        descend(value, &name, &steps, found);
    }
}

fn descend(value: &Value, path: &str, steps: &[Step], found: &mut Vec<Spot>) {
    let step = |step: Step| [steps, &[step]].concat();
    match value {
        Value::Message(inner) if is_ours(inner) => walk(inner, path, steps, found),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                descend(item, &path, &step(Step::Item(index)), found);
            }
        }
        Value::Map(entries) => {
            for (key, entry) in entries {
                let path = format!("{path}[\"{}\"]", key.as_str().unwrap_or_default());
                descend(entry, &path, &step(Step::Key(key.clone())), found);
            }
        }
        _ => {}
    }
}

fn is_ours(message: &DynamicMessage) -> bool {
    message.descriptor().package_name() == "skep.v1"
}

/// The message with another value at a spot.
pub(super) fn with(message: &DynamicMessage, spot: &Spot, value: Value) -> DynamicMessage {
    let mut message = message.clone();
    put(&mut message, &spot.steps, value);
    message
}

fn put(message: &mut DynamicMessage, steps: &[Step], value: Value) {
    let Some((Step::Field(name), rest)) = steps.split_first() else {
        panic!("a way into a message begins with a field");
    };
    if rest.is_empty() {
        message.set_field_by_name(name, value);
        return;
    }
    let inner = message
        .get_field_by_name_mut(name)
        .expect("it leads somewhere");
    put_into(inner, rest, value);
}

fn put_into(place: &mut Value, steps: &[Step], value: Value) {
    match (place, steps) {
        (place, []) => *place = value,
        (Value::Message(inner), steps) => put(inner, steps, value),
        (Value::List(items), [Step::Item(index), rest @ ..]) => {
            put_into(&mut items[*index], rest, value);
        }
        (Value::Map(entries), [Step::Key(key), rest @ ..]) => {
            put_into(entries.get_mut(key).expect("it is there"), rest, value);
        }
        (place, _) => panic!("no way into {place:?}"),
    }
}

/// Whether the values of a field, or of the entries of a list, are of this kind.
pub(super) fn is_kind(spot: &Spot, wanted: impl Fn(&Kind) -> bool) -> bool {
    wanted(&spot.field.kind())
}
