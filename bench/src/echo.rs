// SPDX-License-Identifier: Apache-2.0
//! A gRPC server that answers what it was asked, and stores nothing: how fast any server of this
//! library can be on this machine.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;
use skep_proto::v1;
use skep_proto::v1::service_service_server::{ServiceService, ServiceServiceServer};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

struct Echo;

/// Serves until it is killed; writes its address to `place` first.
///
/// # Errors
/// If it cannot serve.
pub(crate) async fn serve(place: &Path) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let written = place.with_extension("new");
    std::fs::write(&written, listener.local_addr()?.to_string())?;
    std::fs::rename(&written, place)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .add_service(ServiceServiceServer::new(Echo))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the echo only creates"))
}

#[tonic::async_trait]
impl ServiceService for Echo {
    async fn create_service(
        &self,
        request: Request<v1::CreateServiceRequest>,
    ) -> Result<Response<v1::CreateServiceResponse>, Status> {
        Ok(Response::new(v1::CreateServiceResponse {
            service: Some(v1::Service {
                spec: request.into_inner().spec,
                ..v1::Service::default()
            }),
            revision: 1,
        }))
    }

    async fn get_service(
        &self,
        _: Request<v1::GetServiceRequest>,
    ) -> Result<Response<v1::GetServiceResponse>, Status> {
        not_here()
    }

    async fn list_services(
        &self,
        _: Request<v1::ListServicesRequest>,
    ) -> Result<Response<v1::ListServicesResponse>, Status> {
        not_here()
    }

    async fn update_service(
        &self,
        _: Request<v1::UpdateServiceRequest>,
    ) -> Result<Response<v1::UpdateServiceResponse>, Status> {
        not_here()
    }

    async fn delete_service(
        &self,
        _: Request<v1::DeleteServiceRequest>,
    ) -> Result<Response<v1::DeleteServiceResponse>, Status> {
        not_here()
    }

    async fn wait_service(
        &self,
        _: Request<v1::WaitServiceRequest>,
    ) -> Result<Response<v1::WaitServiceResponse>, Status> {
        not_here()
    }

    async fn control_rollout(
        &self,
        _: Request<v1::ControlRolloutRequest>,
    ) -> Result<Response<v1::ControlRolloutResponse>, Status> {
        not_here()
    }

    async fn list_service_revisions(
        &self,
        _: Request<v1::ListServiceRevisionsRequest>,
    ) -> Result<Response<v1::ListServiceRevisionsResponse>, Status> {
        not_here()
    }
}
