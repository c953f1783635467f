// SPDX-License-Identifier: Apache-2.0
//! Durable writes by clients that each wait for their answer before they write again.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use prost::Message;
use skep_proto::v1;
use skep_proto::v1::service_service_client::ServiceServiceClient;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::{Sample, Setup};
use crate::etcd::Etcd;
use crate::proc::Meter;
use crate::server::Server;
use crate::stats::Latencies;

/// The label that what is written stands in.
pub(super) const LABEL: &str = "bench";
/// Bytes of it.
const LABEL_BYTES: usize = 256;

/// Most connections of one row.
pub(super) const CONNECTIONS_MAX: usize = 8;

/// The time before the measurement, in parts of it.
const WARM_UP: f64 = 0.2;

/// A spec of a service without tasks.
pub(super) fn spec(name: &str, label: String) -> v1::ServiceSpec {
    let process = v1::Process {
        command: vec!["/bin/true".to_owned()],
        ..v1::Process::default()
    };
    v1::ServiceSpec {
        name: name.to_owned(),
        labels: [(LABEL.to_owned(), label)].into(),
        template: Some(v1::TaskTemplate {
            workload: Some(v1::task_template::Workload::Process(process)),
            ..v1::TaskTemplate::default()
        }),
        mode: Some(v1::service_spec::Mode::Replicated(v1::Replicated {
            replicas: Some(0),
        })),
        ..v1::ServiceSpec::default()
    }
}

/// Writes to skep.
pub(super) async fn skep(setup: &Setup, clients: usize) -> Result<Sample> {
    let server = Server::skepd(&setup.programs, 1, &["--executor", "simulated"]).await?;
    let sample = create_services(setup, clients, &server).await?;
    server.stop().await?;
    Ok(sample)
}

/// Asks the same of a server that stores nothing.
pub(super) async fn echo(setup: &Setup, clients: usize) -> Result<Sample> {
    let server = Server::echo(&setup.programs).await?;
    create_services(setup, clients, &server).await
}

async fn create_services(setup: &Setup, clients: usize, server: &Server) -> Result<Sample> {
    let channels = server.channels(clients.min(CONNECTIONS_MAX)).await?;
    let write = |client: usize| {
        let channel = channels[client % channels.len()].clone();
        let services = ServiceServiceClient::new(channel);
        move |number: u64| {
            let name = object_name(client, number);
            let request = v1::CreateServiceRequest {
                spec: Some(spec(&name, "x".repeat(LABEL_BYTES))),
                // As clients of skep do, so that a retry is safe.
                request_id: format!("bench-{name}"),
            };
            let mut services = services.clone();
            async move {
                services.create_service(request).await?;
                Ok(())
            }
        }
    };
    closed_loop(setup, clients, server.pid(), write).await
}

/// Writes to etcd.
pub(super) async fn etcd(setup: &Setup, clients: usize) -> Result<Sample> {
    let server = Server::etcd(&setup.programs).await?;
    let channels: Vec<Channel> = server.channels(clients.min(CONNECTIONS_MAX)).await?;
    let bytes = spec(&object_name(0, 0), "x".repeat(LABEL_BYTES)).encoded_len();
    let write = |client: usize| {
        let etcd = Etcd::new(channels[client % channels.len()].clone());
        move |number: u64| {
            let etcd = etcd.clone();
            let key = object_name(client, number);
            async move { etcd.put(key, "x".repeat(bytes)).await }
        }
    };
    let sample = closed_loop(setup, clients, server.pid(), write).await?;
    server.stop().await?;
    Ok(sample)
}

fn object_name(client: usize, number: u64) -> String {
    format!("bench-{client:03}-{number:07}")
}

/// Lets `clients` call until the time is over; `writer` makes each one's call, which is given a
/// number that rises.
async fn closed_loop<W, C, F>(
    setup: &Setup,
    clients: usize,
    pid: u32,
    writer: impl Fn(usize) -> W,
) -> Result<Sample>
where
    W: FnMut(u64) -> C + Send + 'static,
    C: Future<Output = Result<F>> + Send,
    F: Send,
{
    let done = Arc::new(AtomicU64::new(0));
    let barrier = Arc::new(Barrier::new(clients + 1));
    let warm_up = Duration::from_secs_f64(setup.seconds * WARM_UP);
    let time = warm_up + Duration::from_secs_f64(setup.seconds);
    let mut loops = JoinSet::new();
    for client in 0..clients {
        let (done, barrier) = (done.clone(), barrier.clone());
        let mut write = writer(client);
        loops.spawn(async move {
            let mut latencies = Latencies::default();
            barrier.wait().await;
            let start = Instant::now();
            for number in 0.. {
                let sent = start.elapsed();
                if sent >= time {
                    break;
                }
                write(number).await?;
                if sent >= warm_up {
                    latencies.add(start.elapsed() - sent);
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(latencies)
        });
    }
    barrier.wait().await;
    tokio::time::sleep(warm_up).await;
    let (meter, before) = (Meter::start(pid)?, done.load(Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs_f64(setup.seconds)).await;
    let (usage, after) = (meter.stop()?, done.load(Ordering::Relaxed));
    let mut latencies = Latencies::default();
    while let Some(ended) = loops.join_next().await {
        latencies.merge(ended??);
    }
    let operations = after - before;
    Ok(Sample {
        value: operations as f64 / usage.wall,
        operations,
        usage,
        note: latencies.to_string(),
    })
}
