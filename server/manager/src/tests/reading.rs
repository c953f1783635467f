// SPDX-License-Identifier: Apache-2.0
//! How fresh reads are.

use std::time::Duration;

use prost::Message;
use prost_reflect::{DynamicMessage, Value};
use skep_proto::v1;
use skep_proto::v1::ErrorReason;
use skep_proto::v1::consistency::Level;
use tonic::Request;

use super::desk::{Desk, failed, spec, told};
use super::raw::{call_with, pool};

/// A service, a method of it, and what its request names.
type Method = (&'static str, &'static str, &'static str);

/// The methods that say how fresh they are, with a request that they would answer.
const READS: [Method; 7] = [
    ("ServiceService", "GetService", "service=web"),
    ("ServiceService", "ListServices", ""),
    ("NodeService", "GetNode", "node=node-1"),
    ("NodeService", "ListNodes", ""),
    ("TaskService", "GetTask", "task="),
    ("TaskService", "ListTasks", ""),
    ("SwarmService", "GetSwarm", ""),
];

/// A read of the world with this consistency.
async fn read(
    desk: &Desk,
    (service, method, reference): Method,
    level: Option<Level>,
) -> Result<(), tonic::Status> {
    let request = pool().get_message_by_name(&format!("skep.v1.{method}Request"));
    let mut request = DynamicMessage::new(request.expect("it is there"));
    if let Some((field, name)) = reference.split_once('=') {
        let task = desk
            .view()
            .tasks()
            .next()
            .map(|task| task.meta.id.to_string());
        let name = if name.is_empty() {
            task.expect("there is one")
        } else {
            name.to_owned()
        };
        request.set_field_by_name(field, Value::String(name));
    }
    let consistency = v1::Consistency { level };
    let mut message = DynamicMessage::new(
        pool()
            .get_message_by_name("skep.v1.Consistency")
            .expect("it is there"),
    );
    message
        .merge(consistency.encode_to_vec().as_slice())
        .expect("its own bytes");
    request.set_field_by_name("consistency", Value::Message(message));
    let path = format!("/skep.v1.{service}/{method}");
    call_with(&desk.channel, &path, &request).await.map(|_| ())
}

async fn world() -> Desk {
    let desk = Desk::new().await;
    let web = desk.create(spec("web")).await;
    desk.task(&web, 1, skep_core::model::NodeId(2));
    desk
}

#[tokio::test]
pub(super) async fn a_local_read_needs_no_leader() {
    let desk = world().await;
    desk.cluster.set_leaderless(true);
    for method in READS {
        read(&desk, method, Some(Level::Local(true)))
            .await
            .expect(method.1);
    }
    let linearizable = desk
        .nodes()
        .list_nodes(v1::ListNodesRequest::default())
        .await;
    failed(linearizable, ErrorReason::NoQuorum, &[]);
}

#[tokio::test]
pub(super) async fn a_read_waits_for_the_revision_it_asks_for() {
    let desk = world().await;
    let next = desk.head().0 + 1;
    for method in READS {
        let level = Some(Level::AtLeast(desk.head().0));
        read(&desk, method, level).await.expect(method.1);
    }
    let wait = read(&desk, READS[1], Some(Level::AtLeast(next)));
    let write = async { desk.cluster.write([]) };
    let (answer, written) = tokio::join!(wait, write);
    answer.expect("it arrived");
    assert_eq!(written.0, next);
}

#[tokio::test(start_paused = true)]
pub(super) async fn a_read_does_not_wait_longer_than_its_caller() {
    let desk = world().await;
    let request = v1::GetSwarmRequest {
        consistency: Some(v1::Consistency {
            level: Some(Level::AtLeast(1 << 40)),
        }),
    };
    let mut request = Request::new(request);
    request.set_timeout(Duration::from_millis(200));
    let late = desk.swarm().get_swarm(request).await;
    failed(late, ErrorReason::ManagerNotReady, &[]);
}

#[tokio::test]
pub(super) async fn a_linearizable_read_waits_for_what_the_leader_has() {
    let desk = world().await;
    desk.cluster.lag(1);
    let read = desk.get("web");
    let write = async {
        desk.cluster.write([]);
    };
    let (web, ()) = tokio::join!(read, write);
    assert_eq!(web.spec.expect("it has one").name, "web");
}

#[tokio::test]
pub(super) async fn a_level_must_be_chosen_and_make_sense() {
    let desk = world().await;
    for (level, field) in [
        (None, "consistency.at_least"),
        (Some(Level::Local(false)), "consistency.local"),
        (Some(Level::AtLeast(0)), "consistency.at_least"),
        (Some(Level::AtLeast((1 << 53) + 1)), "consistency.at_least"),
    ] {
        for method in READS {
            let refused = read(&desk, method, level)
                .await
                .expect_err("it makes no sense");
            assert_eq!(told(&refused).fields, [field], "{}", method.1);
        }
    }
}
