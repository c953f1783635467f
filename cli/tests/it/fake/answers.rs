// SPDX-License-Identifier: Apache-2.0
//! What the answers are made of.

use std::collections::HashMap;

use skep_sdk::v1::*;
use skep_sdk::{Code, Name, Status};
use tonic::Response;
use tonic_types::{ErrorDetails, StatusExt};

use super::Fake;
use super::watch::with_condition;
use crate::sample;

pub(super) type Answer<T> = Result<Response<T>, Status>;
pub(super) type Frames<T> =
    std::pin::Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

pub(super) fn error(code: Code, reason: &str, message: &str, facts: &[(&str, &str)]) -> Status {
    let facts: HashMap<String, String> = facts
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let details = ErrorDetails::with_error_info(reason, "skep", facts);
    Status::with_error_details(code, message, details)
}

pub(super) fn not_found(kind: &str, name: &str) -> Status {
    let message = format!("there is no {kind} {name:?}");
    error(
        Code::NotFound,
        "OBJECT_NOT_FOUND",
        &message,
        &[("kind", kind), ("name", name)],
    )
}

pub(super) fn id_of(name: &str) -> String {
    format!("svc_{name:0>26}")
}

/// A service of a name, as its first answer shows it.
pub(super) fn made(spec: ServiceSpec) -> Service {
    let mut service = sample::service();
    let meta = service.meta.as_mut().unwrap();
    meta.id = if spec.name == "web" {
        sample::id("svc", 1)
    } else {
        id_of(&spec.name)
    };
    service.spec = Some(spec);
    service.status = Some(ServiceStatus {
        desired_tasks: 1,
        template_revision: 12,
        ..Default::default()
    });
    service
}

impl Fake {
    pub(super) fn keep<M: Name>(&self, message: &M) {
        let mut json = serde_json::to_value(skep_sdk::reflect::dynamic(message)).unwrap();
        json.as_object_mut().unwrap().remove("requestId");
        self.asked.lock().unwrap().push((M::NAME.to_owned(), json));
    }

    pub(super) fn find(&self, reference: &str) -> Result<Service, Status> {
        match reference {
            "web" => Ok(sample::service()),
            "agent" => Ok(sample::global_service()),
            id if id == sample::id("svc", 1) => Ok(sample::service()),
            id if id == id_of("fine") => {
                let watch_response::event::Object::Service(service) =
                    with_condition(id, "CONVERGED", 1)
                else {
                    unreachable!()
                };
                Ok(service)
            }
            id if id == "halted" || id == id_of("halted") => Ok(halted()),
            _ => Err(not_found("service", reference)),
        }
    }
}

/// A service whose roll-out is paused.
fn halted() -> Service {
    let mut service = sample::service();
    service.meta.as_mut().unwrap().id = id_of("halted");
    let status = service.status.as_mut().unwrap();
    status.rollout.get_or_insert_default().state = rollout::State::Paused.into();
    service
}
