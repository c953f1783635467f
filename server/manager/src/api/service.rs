// SPDX-License-Identifier: Apache-2.0
//! `skep.v1.ServiceService`

use std::sync::Arc;

use skep_core::admit::{
    Admitted, Context, allow_missing, create_service, delete_service, find_service, put_service,
    update_service,
};
use skep_core::model::{Revision, Service, ServiceId, ServiceSpec};
use skep_core::state::State;
use skep_proto::v1;
use skep_proto::v1::service_service_server::ServiceService;
use skep_wire::parse::{self, Fields};
use skep_wire::render;
use tonic::{Request, Response, Status};

use super::masked;
use crate::call::{Call, check_reference, check_request_id, check_spec_size, if_spec_revision};
use crate::error::Failure;
use crate::member::Membership;
use crate::page::PageRequest;
use crate::past::object_of;
use crate::read::freshness;

/// Most characters of a reference to a service.
const REFERENCE_CHARS_MAX: usize = 64;

/// Services: what should run.
pub(super) struct ServiceApi {
    pub(super) membership: Arc<Membership>,
}

impl ServiceApi {
    pub(super) fn new(membership: Arc<Membership>) -> ServiceApi {
        ServiceApi { membership }
    }

    async fn create(
        &self,
        call: &Call,
        request: v1::CreateServiceRequest,
    ) -> Result<v1::CreateServiceResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        let spec = required_spec(&mut fields, request.spec.as_ref());
        check_request_id(&mut fields, &request.request_id);
        let spec = fields.finish_with(spec)?;
        let decide = |state: &State, ctx: &Context| {
            let ids = &mut rand::random::<u128>;
            Ok(create_service(state, spec.clone(), ctx, ids)?)
        };
        let done = manager
            .carry_out(call, &request.request_id, &request, decide)
            .await?;
        let service = object_of::<Service>(&*manager.cluster, done)?;
        Ok(v1::CreateServiceResponse {
            service: service.map(|service| render::service(&service)),
            revision: done.revision.0,
        })
    }

    async fn get(
        &self,
        call: &Call,
        request: v1::GetServiceRequest,
    ) -> Result<v1::GetServiceResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        check_reference(&mut fields, "service", &request.service);
        let freshness = freshness(&mut fields, request.consistency);
        fields.finish()?;
        let state = manager.read(freshness, call).await?;
        let service = find_service(&state, &request.service)?;
        Ok(v1::GetServiceResponse {
            service: Some(render::service(&service)),
            revision: state.revision().0,
        })
    }

    async fn list(
        &self,
        call: &Call,
        request: v1::ListServicesRequest,
    ) -> Result<v1::ListServicesResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        let page = PageRequest::parse(
            &mut fields,
            "services",
            request.filter.as_ref(),
            (request.page_size, &request.page_token),
            request.consistency,
        );
        let filter = request.filter.unwrap_or_default();
        let filter = fields.at("filter", |fields| parse::filter::services(fields, filter));
        fields.finish()?;
        let page = manager.page(page, call).await?;
        let services = page.state.services_after(page.after.map(ServiceId));
        let matching = services.filter(|service| filter.matches(service));
        let listing = page.fill(
            matching.map(|service| (service.meta.id.0, service)),
            |service| render::service(service),
        );
        Ok(v1::ListServicesResponse {
            services: listing.objects,
            next_page_token: listing.next_page_token,
            revision: listing.revision,
        })
    }

    async fn update(
        &self,
        call: &Call,
        request: v1::UpdateServiceRequest,
    ) -> Result<v1::UpdateServiceResponse, Failure> {
        let manager = self.membership.manager()?;
        let update = Update::parse(&request)?;
        let decide = |state: &State, ctx: &Context| update.decide(state, ctx);
        let done = manager
            .carry_out(call, &request.request_id, &request, decide)
            .await?;
        let service = object_of::<Service>(&*manager.cluster, done)?;
        Ok(v1::UpdateServiceResponse {
            service: service.map(|service| render::service(&service)),
            revision: done.revision.0,
        })
    }

    async fn delete(
        &self,
        call: &Call,
        request: v1::DeleteServiceRequest,
    ) -> Result<v1::DeleteServiceResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        check_reference(&mut fields, "service", &request.service);
        let seen = if_spec_revision(&mut fields, request.if_spec_revision);
        check_request_id(&mut fields, &request.request_id);
        fields.finish()?;
        let decide = |state: &State, ctx: &Context| {
            let found = find_service(state, &request.service);
            match allow_missing(found, request.allow_missing)? {
                Some(service) => Ok(delete_service(&service, seen, ctx)?),
                None => Ok(Admitted::AlreadySo(None)),
            }
        };
        let done = manager
            .carry_out(call, &request.request_id, &request, decide)
            .await?;
        let service = object_of::<Service>(&*manager.cluster, done)?;
        Ok(v1::DeleteServiceResponse {
            service: service.map(|service| render::service(&service)),
            revision: done.revision.0,
        })
    }
}

/// An update as it was asked for.
struct Update<'a> {
    reference: &'a str,
    seen: Option<Revision>,
    allow_missing: bool,
    wanted: Wanted<'a>,
}

enum Wanted<'a> {
    /// This spec.
    Whole(ServiceSpec),
    /// Of this spec what the mask names.
    Masked(&'a v1::ServiceSpec, &'a prost_types::FieldMask),
}

impl<'a> Update<'a> {
    fn parse(request: &'a v1::UpdateServiceRequest) -> Result<Update<'a>, Failure> {
        let mut fields = Fields::new();
        fields.length("service", &request.service, 0, REFERENCE_CHARS_MAX);
        let seen = if_spec_revision(&mut fields, request.if_spec_revision);
        check_request_id(&mut fields, &request.request_id);
        let name = request.spec.as_ref().map_or("", |spec| spec.name.as_str());
        let reference = match request.service.as_str() {
            "" => name,
            text => text,
        };
        if request.allow_missing && request.update_mask.is_some() {
            fields.wrong("allow_missing", "is not for updates with update_mask");
        }
        if request.allow_missing && seen.is_some() {
            fields.wrong("allow_missing", "is not for updates with if_spec_revision");
        }
        let wanted = match (&request.update_mask, &request.spec) {
            (Some(mask), Some(spec)) => {
                if reference.is_empty() {
                    fields.wrong("service", "is required, or spec.name");
                }
                Some(Wanted::Masked(spec, mask))
            }
            (_, spec) => required_spec(&mut fields, spec.as_ref()).map(Wanted::Whole),
        };
        Ok(Update {
            reference,
            seen,
            allow_missing: request.allow_missing,
            wanted: fields.finish_with(wanted)?,
        })
    }

    fn decide(&self, state: &State, ctx: &Context) -> Result<Admitted, Failure> {
        let spec = match &self.wanted {
            Wanted::Whole(spec) if self.allow_missing => {
                let ids = &mut rand::random::<u128>;
                return Ok(put_service(state, self.reference, spec.clone(), ctx, ids)?);
            }
            Wanted::Whole(spec) => spec.clone(),
            Wanted::Masked(wanted, mask) => {
                let present = find_service(state, self.reference)?;
                let present = render::service_spec(&present.spec);
                let mut fields = Fields::new();
                let merged = masked(&mut fields, &present, *wanted, Some(*mask));
                let spec = merged.and_then(|spec| required_spec(&mut fields, Some(&spec)));
                fields.finish_with(spec)?
            }
        };
        let service = find_service(state, self.reference)?;
        Ok(update_service(state, &service, spec, self.seen, ctx)?)
    }
}

fn required_spec(fields: &mut Fields, spec: Option<&v1::ServiceSpec>) -> Option<ServiceSpec> {
    let spec = fields.required("spec", spec)?;
    check_spec_size(fields, spec);
    fields.at("spec", |fields| parse::spec::service(fields, spec.clone()))
}

#[tonic::async_trait]
impl ServiceService for ServiceApi {
    async fn create_service(
        &self,
        request: Request<v1::CreateServiceRequest>,
    ) -> Result<Response<v1::CreateServiceResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(
            self.create(&call, request.into_inner()).await?,
        ))
    }

    async fn get_service(
        &self,
        request: Request<v1::GetServiceRequest>,
    ) -> Result<Response<v1::GetServiceResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(self.get(&call, request.into_inner()).await?))
    }

    async fn list_services(
        &self,
        request: Request<v1::ListServicesRequest>,
    ) -> Result<Response<v1::ListServicesResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(self.list(&call, request.into_inner()).await?))
    }

    async fn wait_service(
        &self,
        request: Request<v1::WaitServiceRequest>,
    ) -> Result<Response<v1::WaitServiceResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(self.wait(&call, request.into_inner()).await?))
    }

    async fn update_service(
        &self,
        request: Request<v1::UpdateServiceRequest>,
    ) -> Result<Response<v1::UpdateServiceResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(
            self.update(&call, request.into_inner()).await?,
        ))
    }

    async fn delete_service(
        &self,
        request: Request<v1::DeleteServiceRequest>,
    ) -> Result<Response<v1::DeleteServiceResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(
            self.delete(&call, request.into_inner()).await?,
        ))
    }

    async fn control_rollout(
        &self,
        request: Request<v1::ControlRolloutRequest>,
    ) -> Result<Response<v1::ControlRolloutResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(
            self.control(&call, request.into_inner()).await?,
        ))
    }

    async fn list_service_revisions(
        &self,
        request: Request<v1::ListServiceRevisionsRequest>,
    ) -> Result<Response<v1::ListServiceRevisionsResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(
            self.revisions(&call, request.into_inner()).await?,
        ))
    }
}
