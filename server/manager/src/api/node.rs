// SPDX-License-Identifier: Apache-2.0
//! `skep.v1.NodeService`

use std::sync::Arc;

use skep_core::admit::{Admitted, Context, allow_missing, delete_node, find_node, update_node};
use skep_core::model::{Node, NodeId, NodeSpec};
use skep_core::state::State;
use skep_proto::v1;
use skep_proto::v1::node_service_server::NodeService;
use skep_wire::parse::{self, Fields};
use skep_wire::render;
use tonic::{Request, Response, Status};

use super::masked;
use crate::call::{Call, check_reference, check_request_id, check_spec_size, if_spec_revision};
use crate::error::Failure;
use crate::facts;
use crate::member::Membership;
use crate::page::PageRequest;
use crate::past::object_of;
use crate::read::freshness;

/// Nodes: where tasks run.
pub(super) struct NodeApi {
    membership: Arc<Membership>,
}

impl NodeApi {
    pub(super) fn new(membership: Arc<Membership>) -> NodeApi {
        NodeApi { membership }
    }

    async fn get(
        &self,
        call: &Call,
        request: v1::GetNodeRequest,
    ) -> Result<v1::GetNodeResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        check_reference(&mut fields, "node", &request.node);
        let freshness = freshness(&mut fields, request.consistency);
        fields.finish()?;
        let state = manager.read(freshness, call).await?;
        let node = find_node(&state, &request.node)?;
        Ok(v1::GetNodeResponse {
            node: Some(facts::node(&node, &*manager.facts)),
            revision: state.revision().0,
        })
    }

    async fn list(
        &self,
        call: &Call,
        request: v1::ListNodesRequest,
    ) -> Result<v1::ListNodesResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        let page = PageRequest::parse(
            &mut fields,
            "nodes",
            request.filter.as_ref(),
            (request.page_size, &request.page_token),
            request.consistency,
        );
        let filter = request.filter.unwrap_or_default();
        let filter = fields.at("filter", |fields| parse::filter::nodes(fields, filter));
        fields.finish()?;
        let page = manager.page(page, call).await?;
        let nodes = page.state.nodes_after(page.after.map(NodeId));
        let matching = nodes.filter(|node| filter.matches(node));
        let listing = page.fill(matching.map(|node| (node.meta.id.0, node)), |node| {
            facts::node(node, &*manager.facts)
        });
        Ok(v1::ListNodesResponse {
            nodes: listing.objects,
            next_page_token: listing.next_page_token,
            revision: listing.revision,
        })
    }

    async fn update(
        &self,
        call: &Call,
        request: v1::UpdateNodeRequest,
    ) -> Result<v1::UpdateNodeResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        check_reference(&mut fields, "node", &request.node);
        let seen = if_spec_revision(&mut fields, request.if_spec_revision);
        check_request_id(&mut fields, &request.request_id);
        let wanted = fields.required("spec", request.spec.as_ref());
        let wanted = fields.finish_with(wanted)?;
        let mask = request.update_mask.as_ref();
        let decide = |state: &State, ctx: &Context| {
            let node = find_node(state, &request.node)?;
            let mut fields = Fields::new();
            let merged = masked(&mut fields, &render::node_spec(&node.spec), wanted, mask);
            let spec = merged.and_then(|spec| parse_spec(&mut fields, spec, &node));
            let spec = fields.finish_with(spec)?;
            Ok(update_node(state, &node, spec, seen, ctx)?)
        };
        let done = manager
            .carry_out(call, &request.request_id, &request, decide)
            .await?;
        let node = object_of::<Node>(&*manager.cluster, done)?;
        Ok(v1::UpdateNodeResponse {
            node: node.map(|node| facts::node(&node, &*manager.facts)),
            revision: done.revision.0,
        })
    }

    async fn delete(
        &self,
        call: &Call,
        request: v1::DeleteNodeRequest,
    ) -> Result<v1::DeleteNodeResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        check_reference(&mut fields, "node", &request.node);
        let seen = if_spec_revision(&mut fields, request.if_spec_revision);
        check_request_id(&mut fields, &request.request_id);
        fields.finish()?;
        let decide = |state: &State, ctx: &Context| {
            let found = find_node(state, &request.node);
            match allow_missing(found, request.allow_missing)? {
                Some(node) => Ok(delete_node(state, &node, request.force, seen, ctx)?),
                None => Ok(Admitted::AlreadySo(None)),
            }
        };
        let done = manager
            .carry_out(call, &request.request_id, &request, decide)
            .await?;
        Ok(v1::DeleteNodeResponse {
            revision: done.revision.0,
        })
    }
}

/// The spec of a node; without a name it keeps its own.
fn parse_spec(fields: &mut Fields, spec: v1::NodeSpec, node: &Node) -> Option<NodeSpec> {
    check_spec_size(fields, &spec);
    fields.at("spec", |fields| {
        parse::spec::node(fields, spec, Some(&node.spec.name))
    })
}

#[tonic::async_trait]
impl NodeService for NodeApi {
    async fn get_node(
        &self,
        request: Request<v1::GetNodeRequest>,
    ) -> Result<Response<v1::GetNodeResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(self.get(&call, request.into_inner()).await?))
    }

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(self.list(&call, request.into_inner()).await?))
    }

    async fn update_node(
        &self,
        request: Request<v1::UpdateNodeRequest>,
    ) -> Result<Response<v1::UpdateNodeResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(
            self.update(&call, request.into_inner()).await?,
        ))
    }

    async fn delete_node(
        &self,
        request: Request<v1::DeleteNodeRequest>,
    ) -> Result<Response<v1::DeleteNodeResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(
            self.delete(&call, request.into_inner()).await?,
        ))
    }
}
