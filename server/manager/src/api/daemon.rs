// SPDX-License-Identifier: Apache-2.0
//! `skep.v1.DaemonService`

use std::sync::Arc;

use skep_core::model::{Name, NodeRole};
use skep_proto::v1;
use skep_proto::v1::daemon::State as Message;
use skep_proto::v1::daemon_service_server::DaemonService;
use skep_wire::parse::{self, Fields};
use skep_wire::render;
use tonic::{Request, Response, Status};

use crate::call::{Call, check_spec_size};
use crate::daemon::{DaemonControl, DaemonFacts, DaemonState, Founding};
use crate::error::Failure;

/// This daemon: the one process on this machine, in a swarm or not.
pub(super) struct DaemonApi {
    daemon: Arc<dyn DaemonControl>,
}

impl DaemonApi {
    pub(super) fn new(daemon: Arc<dyn DaemonControl>) -> DaemonApi {
        DaemonApi { daemon }
    }

    async fn init(
        &self,
        call: &Call,
        request: v1::InitSwarmRequest,
    ) -> Result<v1::InitSwarmResponse, Failure> {
        let founding = founding(request)?;
        let (node, swarm) = self.daemon.init_swarm(founding).await?;
        note(call);
        Ok(v1::InitSwarmResponse {
            node: node.to_string(),
            swarm: swarm.to_string(),
        })
    }
}

/// Puts a change on record that is in no log of the swarm.
fn note(call: &Call) {
    let (caller, method) = (&*call.caller, &*call.method);
    tracing::info!(target: "audit", caller, method, "changed");
}

fn founding(request: v1::InitSwarmRequest) -> Result<Founding, Failure> {
    let mut fields = Fields::new();
    let spec = request.spec.unwrap_or_default();
    check_spec_size(&mut fields, &spec);
    let spec = fields.at("spec", |fields| parse::spec::swarm(fields, spec));
    let node_name = match request.node_name.as_str() {
        "" => None,
        text => Name::parse(text)
            .inspect_err(|why| fields.wrong("node_name", why))
            .ok(),
    };
    let availability = parse::spec::availability(&mut fields, "availability", request.availability);
    let founding = Founding {
        spec,
        node_name,
        availability,
    };
    Ok(fields.finish_with(Some(founding))?)
}

fn message(facts: DaemonFacts) -> v1::Daemon {
    let state = match facts.state {
        DaemonState::Outside => Message::Outside,
        DaemonState::Member => Message::Member,
        DaemonState::Error => Message::Error,
    };
    let role = match facts.role {
        None => v1::NodeRole::Unspecified,
        Some(NodeRole::Worker) => v1::NodeRole::Worker,
        Some(NodeRole::Manager) => v1::NodeRole::Manager,
    };
    v1::Daemon {
        version: facts.version,
        start_time: Some(render::timestamp(facts.start_time)),
        state: state.into(),
        error: facts.error,
        node: facts.node.map(|node| node.to_string()).unwrap_or_default(),
        swarm: facts
            .swarm
            .map(|swarm| swarm.to_string())
            .unwrap_or_default(),
        role: role.into(),
        address: facts.address,
        revision: facts.revision.0,
    }
}

#[tonic::async_trait]
impl DaemonService for DaemonApi {
    async fn get_daemon(
        &self,
        _request: Request<v1::GetDaemonRequest>,
    ) -> Result<Response<v1::GetDaemonResponse>, Status> {
        let daemon = Some(message(self.daemon.describe()));
        Ok(Response::new(v1::GetDaemonResponse { daemon }))
    }

    async fn init_swarm(
        &self,
        request: Request<v1::InitSwarmRequest>,
    ) -> Result<Response<v1::InitSwarmResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(self.init(&call, request.into_inner()).await?))
    }

    async fn leave_swarm(
        &self,
        request: Request<v1::LeaveSwarmRequest>,
    ) -> Result<Response<v1::LeaveSwarmResponse>, Status> {
        let call = Call::of(&request)?;
        self.daemon.leave_swarm(request.into_inner().force).await?;
        note(&call);
        Ok(Response::new(v1::LeaveSwarmResponse {}))
    }
}
