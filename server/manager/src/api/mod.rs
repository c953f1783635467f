// SPDX-License-Identifier: Apache-2.0
//! The gRPC services, one file each.

mod daemon;
mod log;
mod node;
mod rollout;
mod service;
mod swarm;
mod task;
mod wait;
mod watch;

use std::sync::Arc;

use prost::{Message, Name};
use prost_types::FieldMask;
use skep_proto::v1;
use skep_wire::parse::{Fields, mask};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::Builder;

use crate::daemon::DaemonControl;
use crate::layer::REQUEST_BYTES_MAX;
use crate::member::Membership;

/// What the services are made of.
#[derive(Clone)]
pub struct Api {
    /// The manager that answers, while this daemon is one.
    pub membership: Arc<Membership>,
    /// The daemon around.
    pub daemon: Arc<dyn DaemonControl>,
}

/// All services of a door, before its guard; see [`crate::layer::GuardLayer`].
pub struct Services {
    /// The services.
    pub routes: Routes,
    /// Tells what `grpc.health.v1` says of them; at first all serve.
    pub health: HealthReporter,
}

/// A service with the limits and encodings that hold for all.
macro_rules! limited {
    ($server:expr) => {
        $server
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .accept_compressed(Gzip)
    };
}

/// Puts all services together, with health and reflection beside our own.
pub async fn services(api: &Api) -> Services {
    let health = HealthReporter::new();
    for name in served() {
        health
            .set_service_status(name, ServingStatus::Serving)
            .await;
    }
    let membership = || api.membership.clone();
    let routes = Routes::default()
        .add_service(limited!(v1::swarm_service_server::SwarmServiceServer::new(
            swarm::SwarmApi::new(membership())
        )))
        .add_service(limited!(
            v1::daemon_service_server::DaemonServiceServer::new(daemon::DaemonApi::new(
                api.daemon.clone()
            ))
        ))
        .add_service(limited!(v1::node_service_server::NodeServiceServer::new(
            node::NodeApi::new(membership())
        )))
        .add_service(limited!(
            v1::service_service_server::ServiceServiceServer::new(service::ServiceApi::new(
                membership()
            ))
        ))
        .add_service(limited!(v1::task_service_server::TaskServiceServer::new(
            task::TaskApi::new(membership())
        )))
        .add_service(limited!(v1::watch_service_server::WatchServiceServer::new(
            watch::WatchApi::new(membership())
        )))
        .add_service(limited!(v1::log_service_server::LogServiceServer::new(
            log::LogApi::new(membership())
        )));
    Services {
        routes: add_common(routes, &health).prepare(),
        health,
    }
}

/// The names of our services.
fn served() -> [&'static str; 7] {
    [
        v1::swarm_service_server::SERVICE_NAME,
        v1::daemon_service_server::SERVICE_NAME,
        v1::node_service_server::SERVICE_NAME,
        v1::service_service_server::SERVICE_NAME,
        v1::task_service_server::SERVICE_NAME,
        v1::watch_service_server::SERVICE_NAME,
        v1::log_service_server::SERVICE_NAME,
    ]
}

/// Health and both versions of reflection, which tells of error details too.
fn add_common(routes: Routes, health: &HealthReporter) -> Routes {
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(skep_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let whole = "the descriptors are generated with the code, and tests read them";
    let health = HealthServer::new(HealthService::from_health_reporter(health.clone()));
    routes
        .add_service(limited!(health))
        .add_service(limited!(reflection().build_v1().expect(whole)))
        .add_service(limited!(reflection().build_v1alpha().expect(whole)))
}

/// What an update asks for: `wanted`, or `present` with the fields that `mask` names taken from
/// it. Nothing if the mask is wrong.
fn masked<M: Message + Name + Clone + Default>(
    fields: &mut Fields,
    present: &M,
    wanted: &M,
    mask: Option<&FieldMask>,
) -> Option<M> {
    match mask {
        None => Some(wanted.clone()),
        Some(mask) => mask::merge(fields, &M::full_name(), present, wanted, mask),
    }
}
