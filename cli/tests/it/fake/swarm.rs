// SPDX-License-Identifier: Apache-2.0
//! The daemon, the swarm and its nodes.

use skep_sdk::v1::daemon_service_server::DaemonService;
use skep_sdk::v1::node_service_server::NodeService;
use skep_sdk::v1::swarm_service_server::SwarmService;
use skep_sdk::v1::*;
use skep_sdk::{Code, Request};
use tonic::Response;

use super::Fake;
use super::answers::{Answer, error, not_found};
use crate::sample;

#[tonic::async_trait]
impl DaemonService for Fake {
    async fn get_daemon(&self, _: Request<GetDaemonRequest>) -> Answer<GetDaemonResponse> {
        Ok(Response::new(GetDaemonResponse {
            daemon: Some(sample::daemon()),
        }))
    }

    async fn init_swarm(&self, request: Request<InitSwarmRequest>) -> Answer<InitSwarmResponse> {
        self.keep(request.get_ref());
        Ok(Response::new(InitSwarmResponse {
            node: sample::id("nod", 1),
            swarm: sample::id("swm", 1),
        }))
    }

    async fn leave_swarm(&self, request: Request<LeaveSwarmRequest>) -> Answer<LeaveSwarmResponse> {
        self.keep(request.get_ref());
        if request.into_inner().force {
            return Ok(Response::new(LeaveSwarmResponse {}));
        }
        let message = "this is the last manager: the swarm would be erased";
        Err(error(
            Code::FailedPrecondition,
            "QUORUM_AT_RISK",
            message,
            &[],
        ))
    }
}

#[tonic::async_trait]
impl SwarmService for Fake {
    async fn get_swarm(&self, _: Request<GetSwarmRequest>) -> Answer<GetSwarmResponse> {
        Ok(Response::new(GetSwarmResponse {
            swarm: Some(sample::swarm()),
            revision: 40,
        }))
    }

    async fn update_swarm(
        &self,
        request: Request<UpdateSwarmRequest>,
    ) -> Answer<UpdateSwarmResponse> {
        self.keep(request.get_ref());
        Ok(Response::new(UpdateSwarmResponse {
            swarm: Some(sample::swarm()),
            revision: 41,
        }))
    }
}

#[tonic::async_trait]
impl NodeService for Fake {
    async fn get_node(&self, request: Request<GetNodeRequest>) -> Answer<GetNodeResponse> {
        self.keep(request.get_ref());
        let node = sample::node("node-1");
        let name = request.into_inner().node;
        if name != "node-1" && name != sample::id("nod", 1) {
            return Err(not_found("node", &name));
        }
        Ok(Response::new(GetNodeResponse {
            node: Some(node),
            revision: 40,
        }))
    }

    async fn list_nodes(&self, request: Request<ListNodesRequest>) -> Answer<ListNodesResponse> {
        self.keep(request.get_ref());
        // Two pages of one node each.
        let (node, next) = match request.get_ref().page_token.as_str() {
            "" => (sample::node("node-1"), "more"),
            "more" => (sample::lost_node("node-2"), ""),
            other => panic!("no page {other}"),
        };
        Ok(Response::new(ListNodesResponse {
            nodes: vec![node],
            next_page_token: next.into(),
            revision: 40,
        }))
    }

    async fn update_node(&self, request: Request<UpdateNodeRequest>) -> Answer<UpdateNodeResponse> {
        self.keep(request.get_ref());
        let node = Some(sample::node("node-1"));
        Ok(Response::new(UpdateNodeResponse { node, revision: 41 }))
    }

    async fn delete_node(&self, request: Request<DeleteNodeRequest>) -> Answer<DeleteNodeResponse> {
        self.keep(request.get_ref());
        if request.get_ref().force {
            return Ok(Response::new(DeleteNodeResponse { revision: 41 }));
        }
        let message = "node-1 is not down";
        Err(error(
            Code::FailedPrecondition,
            "NODE_NOT_DOWN",
            message,
            &[],
        ))
    }
}
