// SPDX-License-Identifier: Apache-2.0
//! `skep.v1.SwarmService`

use std::sync::Arc;

use skep_core::admit::{Context, Kind, Rejection, update_swarm};
use skep_core::model::Swarm;
use skep_core::state::State;
use skep_proto::v1;
use skep_proto::v1::swarm_service_server::SwarmService;
use skep_wire::parse::{self, Fields};
use skep_wire::render;
use tonic::{Request, Response, Status};

use super::masked;
use crate::call::{Call, check_request_id, check_spec_size, if_spec_revision};
use crate::error::Failure;
use crate::facts;
use crate::member::Membership;
use crate::past::object_of;
use crate::read::freshness;

/// The swarm as a whole.
pub(super) struct SwarmApi {
    membership: Arc<Membership>,
}

impl SwarmApi {
    pub(super) fn new(membership: Arc<Membership>) -> SwarmApi {
        SwarmApi { membership }
    }

    async fn get(
        &self,
        call: &Call,
        request: v1::GetSwarmRequest,
    ) -> Result<v1::GetSwarmResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        let freshness = freshness(&mut fields, request.consistency);
        fields.finish()?;
        let state = manager.read(freshness, call).await?;
        let swarm = the_swarm(&state)?;
        Ok(v1::GetSwarmResponse {
            swarm: Some(facts::swarm(swarm, &state, &*manager.facts)),
            revision: state.revision().0,
        })
    }

    async fn update(
        &self,
        call: &Call,
        request: v1::UpdateSwarmRequest,
    ) -> Result<v1::UpdateSwarmResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        let seen = if_spec_revision(&mut fields, request.if_spec_revision);
        check_request_id(&mut fields, &request.request_id);
        let wanted = fields.required("spec", request.spec.as_ref());
        let wanted = fields.finish_with(wanted)?;
        let mask = request.update_mask.as_ref();
        let decide = |state: &State, ctx: &Context| {
            let present = render::swarm_spec(&the_swarm(state)?.spec);
            let mut fields = Fields::new();
            let spec = masked(&mut fields, &present, wanted, mask).map(|spec| {
                check_spec_size(&mut fields, &spec);
                fields.at("spec", |fields| parse::spec::swarm(fields, spec))
            });
            let spec = fields.finish_with(spec)?;
            Ok(update_swarm(state, spec, seen, ctx)?)
        };
        let done = manager
            .carry_out(call, &request.request_id, &request, decide)
            .await?;
        let swarm = object_of::<Swarm>(&*manager.cluster, done)?;
        let state = manager.cluster.view();
        Ok(v1::UpdateSwarmResponse {
            swarm: swarm.map(|swarm| facts::swarm(&swarm, &state, &*manager.facts)),
            revision: done.revision.0,
        })
    }
}

fn the_swarm(state: &State) -> Result<&Arc<Swarm>, Failure> {
    let none = || Rejection::NotFound {
        kind: Kind::Swarm,
        name: String::new(),
    };
    Ok(state.swarm().ok_or_else(none)?)
}

#[tonic::async_trait]
impl SwarmService for SwarmApi {
    async fn get_swarm(
        &self,
        request: Request<v1::GetSwarmRequest>,
    ) -> Result<Response<v1::GetSwarmResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(self.get(&call, request.into_inner()).await?))
    }

    async fn update_swarm(
        &self,
        request: Request<v1::UpdateSwarmRequest>,
    ) -> Result<Response<v1::UpdateSwarmResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(
            self.update(&call, request.into_inner()).await?,
        ))
    }
}
