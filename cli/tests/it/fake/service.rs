// SPDX-License-Identifier: Apache-2.0
//! Services: one call after the other, without a state.

use std::collections::HashMap;

use skep_sdk::v1::service_service_server::ServiceService;
use skep_sdk::v1::*;
use skep_sdk::{Code, Request, Status};
use tonic::Response;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::Fake;
use super::answers::{Answer, error, id_of, made};
use super::mask::masked;
use crate::sample;

#[tonic::async_trait]
impl ServiceService for Fake {
    async fn create_service(
        &self,
        request: Request<CreateServiceRequest>,
    ) -> Answer<CreateServiceResponse> {
        self.keep(request.get_ref());
        let spec = request.into_inner().spec.unwrap();
        if spec.name == "taken" {
            let message = "the name \"taken\" belongs to another service";
            return Err(error(Code::AlreadyExists, "NAME_TAKEN", message, &[]));
        }
        if spec.name.contains(' ') {
            let mut details =
                ErrorDetails::with_error_info("INVALID_FIELD", "skep", HashMap::new());
            details.set_bad_request(vec![
                FieldViolation::new("spec.name", "must not contain a blank"),
                FieldViolation::new("spec.template.process.command[0]", "must be absolute"),
            ]);
            let message = "2 fields break their rules";
            return Err(Status::with_error_details(
                Code::InvalidArgument,
                message,
                details,
            ));
        }
        Ok(Response::new(CreateServiceResponse {
            service: Some(made(spec)),
            revision: 12,
        }))
    }

    async fn get_service(&self, request: Request<GetServiceRequest>) -> Answer<GetServiceResponse> {
        self.keep(request.get_ref());
        let service = Some(self.find(&request.into_inner().service)?);
        Ok(Response::new(GetServiceResponse {
            service,
            revision: 40,
        }))
    }

    async fn wait_service(
        &self,
        request: Request<WaitServiceRequest>,
    ) -> Answer<WaitServiceResponse> {
        use wait_service_request::Goal;
        let request = request.into_inner();
        self.keep(&request);
        let id = request.service.clone();
        let name = id.trim_start_matches("svc_").trim_start_matches('0');
        let (code, reason, condition, message) = match name {
            "stalls" => (
                Code::FailedPrecondition,
                "ATTEMPTS_EXHAUSTED",
                Some("STALLED"),
                "web.1 failed 3 times",
            ),
            "pends" => (Code::DeadlineExceeded, "UNPLACED", None, "no node"),
            "slow" => {
                let condition = Some("CONVERGED");
                let message = "0 of 1 tasks run and are up to date";
                (Code::DeadlineExceeded, "NOT_CONVERGED", condition, message)
            }
            _ if request.goal() == Goal::Deleted => {
                return Ok(Response::new(WaitServiceResponse {
                    service: None,
                    revision: 14,
                }));
            }
            _ => {
                return Ok(Response::new(WaitServiceResponse {
                    service: Some(sample::service()),
                    revision: 13,
                }));
            }
        };
        // A short time is over at once, a long one never.
        if code == Code::DeadlineExceeded && request.timeout.is_some_and(|it| it.seconds > 60) {
            std::future::pending::<()>().await;
        }
        let mut facts = vec![("service", name)];
        facts.extend(condition.map(|condition| ("condition", condition)));
        Err(error(code, reason, message, &facts))
    }

    async fn control_rollout(
        &self,
        request: Request<ControlRolloutRequest>,
    ) -> Answer<ControlRolloutResponse> {
        self.keep(request.get_ref());
        if request.get_ref().to_template_revision == 99 {
            let message = "service \"web\" cannot go back to revision 99; it can to 9, 7";
            let facts = [("revisions", "9, 7")];
            return Err(error(
                Code::FailedPrecondition,
                "NO_EARLIER_REVISION",
                message,
                &facts,
            ));
        }
        let service = Some(self.find(&request.into_inner().service)?);
        Ok(Response::new(ControlRolloutResponse {
            service,
            revision: 41,
        }))
    }

    async fn list_service_revisions(
        &self,
        request: Request<ListServiceRevisionsRequest>,
    ) -> Answer<ListServiceRevisionsResponse> {
        self.keep(request.get_ref());
        // Two pages.
        let mut revisions = sample::revisions();
        let (revisions, next) = match request.get_ref().page_token.as_str() {
            "" => (revisions.drain(..1).collect(), "more"),
            "more" => (revisions.drain(1..).collect(), ""),
            other => panic!("no page {other}"),
        };
        Ok(Response::new(ListServiceRevisionsResponse {
            revisions,
            next_page_token: next.into(),
            revision: 40,
        }))
    }

    async fn list_services(
        &self,
        request: Request<ListServicesRequest>,
    ) -> Answer<ListServicesResponse> {
        self.keep(request.get_ref());
        let services = vec![sample::service(), sample::global_service()];
        Ok(Response::new(ListServicesResponse {
            services,
            revision: 40,
            ..Default::default()
        }))
    }

    async fn update_service(
        &self,
        request: Request<UpdateServiceRequest>,
    ) -> Answer<UpdateServiceResponse> {
        self.keep(request.get_ref());
        let request = request.into_inner();
        let known = self.find(&request.service).ok().and_then(|it| it.spec);
        let spec = masked(known.unwrap_or_default(), &request);
        Ok(Response::new(UpdateServiceResponse {
            service: Some(made(spec)),
            revision: 41,
        }))
    }

    async fn delete_service(
        &self,
        request: Request<DeleteServiceRequest>,
    ) -> Answer<DeleteServiceResponse> {
        self.keep(request.get_ref());
        let mut service = self.find(&request.into_inner().service)?;
        // What the watch then plays is the end of it.
        service.meta.as_mut().unwrap().id = id_of("goes");
        Ok(Response::new(DeleteServiceResponse {
            service: Some(service),
            revision: 41,
        }))
    }
}
