// SPDX-License-Identifier: Apache-2.0
//! Services of containers that are rolled out while clients ask them at every node.

use skep_sdk::v1::update_policy::Order;
use skep_sdk::v1::{EndpointSpec, Port, ServiceSpec};
use skep_tests::Engine;

use super::swarm::{daemon, service};
use crate::api::Api;
use crate::drain::{checked, roll, rolled, under_load};
use crate::traffic::{NODES, PORT};

/// Containers of skep-hello behind the port that clients ask.
pub(super) fn published(image: &str, replicas: u32) -> ServiceSpec {
    let mut spec = service("web", image, replicas);
    spec.endpoint = Some(EndpointSpec {
        ports: vec![Port {
            target: 8_080,
            published: u32::from(PORT),
            ..Default::default()
        }],
    });
    spec
}

/// Rolls a service out several times under load; no request fails.
fn loses_nothing(engine: &Engine, mut spec: ServiceSpec) {
    let daemon = daemon(engine, NODES);
    let api = Api::of(&daemon);
    let load = under_load(&daemon, &api, &spec);
    for token in ["first", "second"] {
        roll(&api, &load, &mut spec, token);
    }
    load.lost_nothing();
}

/// With one container, which is asked over HTTP whether it is ready: its successor answers before
/// it leaves, and it leaves before it is stopped.
#[test]
fn an_update_that_starts_first_loses_no_request() {
    if let Some(engine) = Engine::shared() {
        loses_nothing(
            &engine,
            checked(published("skep-hello:1", 1), Order::StartFirst),
        );
    }
}

/// With two containers whose image has a check of its own, of which one at a time is away.
#[test]
fn an_update_that_stops_first_loses_no_connection() {
    if let Some(engine) = Engine::shared() {
        loses_nothing(
            &engine,
            rolled(published("skep-hello:good", 2), Order::StopFirst),
        );
    }
}
