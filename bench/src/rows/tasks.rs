// SPDX-License-Identifier: Apache-2.0
//! Many tasks at once: from the call until a watch has seen all of them run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use skep_proto::v1;
use skep_proto::v1::service_service_client::ServiceServiceClient;
use skep_proto::v1::swarm_service_client::SwarmServiceClient;
use skep_proto::v1::task_service_client::TaskServiceClient;
use tokio::task::JoinSet;
use tonic::Streaming;
use tonic::transport::Channel;

use super::{Sample, Setup, writes};
use crate::etcd::Etcd;
use crate::proc::Meter;
use crate::server::Server;

/// How long the nodes may take to be ready, and the tasks to run.
const TIME_MAX: Duration = Duration::from_secs(120);
/// Between two looks at the nodes.
const LOOK: Duration = Duration::from_millis(20);
/// A message with a thousand tasks in it is a large one.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The states of a task that an orchestrator stores at least.
const STATES: [&str; 4] = ["PENDING", "ASSIGNED", "STARTING", "RUNNING"];
/// Clients of the stand-in, as many as the small row has nodes.
const CLIENTS: usize = 100;
/// Bytes of a task in the stand-in: about what skep stores of one.
const TASK_BYTES: usize = 256;

/// Tasks on the simulated nodes of one daemon.
pub(super) async fn skep(setup: &Setup, tasks: u32, nodes: u32) -> Result<Sample> {
    let server = Server::skepd(&setup.programs, nodes, &["--executor", "simulated"]).await?;
    let channel = server.channels(1).await?.remove(0);
    nodes_are_ready(&channel, nodes).await?;
    let mut client = TaskServiceClient::new(channel.clone());
    client = client.max_decoding_message_size(MESSAGE_BYTES_MAX);
    let frames = client.watch_tasks(v1::WatchTasksRequest::default()).await?;
    let mut frames = frames.into_inner();
    let first = frames.message().await?.context("the watch ended")?;
    ensure!(first.events.is_empty(), "there are tasks already");

    let meter = Meter::start(server.pid())?;
    let start = Instant::now();
    let mut spec = writes::spec("many", String::new());
    spec.mode = Some(v1::service_spec::Mode::Replicated(v1::Replicated {
        replicas: Some(tasks),
    }));
    let request = v1::CreateServiceRequest {
        spec: Some(spec),
        request_id: "bench".to_owned(),
    };
    ServiceServiceClient::new(channel)
        .create_service(request)
        .await?;
    let assigned = tokio::time::timeout(TIME_MAX, all_run(&mut frames, tasks as usize, start))
        .await
        .context("the tasks do not run")??;
    let time = start.elapsed();
    let usage = meter.stop()?;
    server.stop().await?;
    Ok(Sample {
        value: time.as_secs_f64() * 1e3,
        operations: tasks.into(),
        usage,
        note: format!(
            "{:.0} tasks/s; all had a node at {:.0} ms",
            f64::from(tasks) / time.as_secs_f64(),
            assigned.as_secs_f64() * 1e3
        ),
    })
}

/// Waits until so many tasks run; gives back when all had a node.
async fn all_run(
    frames: &mut Streaming<v1::WatchTasksResponse>,
    tasks: usize,
    start: Instant,
) -> Result<Duration> {
    let (mut running, mut assigned) = (BTreeSet::new(), BTreeSet::new());
    let mut all_assigned = Duration::ZERO;
    while running.len() < tasks {
        let frame = frames.message().await?.context("the watch ended")?;
        for task in frame.events.into_iter().filter_map(|event| event.task) {
            let id = task.meta.unwrap_or_default().id;
            let state = task.status.unwrap_or_default().state();
            if state == v1::TaskState::Running {
                running.insert(id.clone());
            }
            if task.node.is_some() && assigned.insert(id) && assigned.len() == tasks {
                all_assigned = start.elapsed();
            }
        }
    }
    Ok(all_assigned)
}

async fn nodes_are_ready(channel: &Channel, nodes: u32) -> Result<()> {
    let mut client = SwarmServiceClient::new(channel.clone());
    let deadline = Instant::now() + TIME_MAX;
    loop {
        let answer = client.get_swarm(v1::GetSwarmRequest::default()).await?;
        let status = answer.into_inner().swarm.unwrap_or_default().status;
        let ready = status.unwrap_or_default().nodes.unwrap_or_default().ready;
        if ready == nodes {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "only {ready} of {nodes} are ready"
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// The least that any orchestrator on etcd would have to write for so many tasks.
pub(super) async fn etcd(setup: &Setup, tasks: u32) -> Result<Sample> {
    let server = Server::etcd(&setup.programs).await?;
    let channels = server.channels(writes::CONNECTIONS_MAX).await?;
    let mut changes = Etcd::new(channels[0].clone()).watch("task/").await?;

    let meter = Meter::start(server.pid())?;
    let start = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let etcd = Etcd::new(channels[client % channels.len()].clone());
        let next = next.clone();
        clients.spawn(async move {
            loop {
                let task = next.fetch_add(1, Ordering::Relaxed);
                if task >= tasks as usize {
                    return anyhow::Ok(());
                }
                for state in STATES {
                    let value = format!("{state:<TASK_BYTES$}");
                    etcd.put(format!("task/{task:06}"), value).await?;
                }
            }
        });
    }
    let mut running = 0;
    while running < tasks {
        let seen = tokio::time::timeout(TIME_MAX, changes.next()).await;
        for event in seen.context("etcd's watch is silent")?? {
            let value = event.kv.unwrap_or_default().value;
            running += u32::from(value.starts_with(b"RUNNING"));
        }
    }
    let time = start.elapsed();
    let usage = meter.stop()?;
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    server.stop().await?;
    Ok(Sample {
        value: time.as_secs_f64() * 1e3,
        operations: tasks.into(),
        usage,
        note: format!("{:.0} tasks/s", f64::from(tasks) / time.as_secs_f64()),
    })
}
