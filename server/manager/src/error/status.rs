// SPDX-License-Identifier: Apache-2.0
//! The one place where a failure becomes a gRPC status.

use std::collections::HashMap;

use skep_core::admit::{Kind, Rejection};
use skep_core::model::{ObjectId, RolloutState};
use skep_core::state::derive::{CONVERGED, STALLED};
use skep_core::wait::Ending;
use skep_wire::parse::Violation;
use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt};

use super::{DOMAIN, Failure, code_of, reason_name};
use crate::daemon::DaemonState;

/// Most bytes of the bad fields that one error lists: errors travel in headers, which clients
/// take only up to 8 KiB.
const VIOLATIONS_BYTES_MAX: usize = 3_500;
/// Most bytes of any one text in an error.
const TEXT_BYTES_MAX: usize = 800;

const BAD_PAGE_TOKEN: &str =
    "the page token is damaged or from another query; begin with the first page";

/// The cure of a revision that cannot be gone on from.
const BEGIN_AGAIN: &str = "begin again: a watch with after_revision 0, a list with its first page";

const TIME_IS_OVER: &str = "the time for the call is over; a change may have been made or not: \
     repeat it with the same request_id";

impl From<Failure> for Status {
    fn from(failure: Failure) -> Status {
        let reason = failure.reason();
        let name = reason_name(reason);
        let mut details = ErrorDetails::with_error_info(name, DOMAIN, failure.metadata());
        failure.add_details(&mut details);
        Status::with_error_details(code_of(reason), shortened(&failure.message()), details)
    }
}

impl Failure {
    fn message(&self) -> String {
        match self {
            Failure::Invalid(violations) => summary(violations),
            Failure::Unreadable(why) => format!("the request cannot be read: {why}"),
            Failure::Rejected(Rejection::Field { field, .. }) => bad_fields(&[field]),
            Failure::Rejected(rejection) => rejection.to_string(),
            Failure::BadPageToken => BAD_PAGE_TOKEN.to_owned(),
            Failure::Compacted(revision) => {
                format!("what happened up to revision {revision} is forgotten; {BEGIN_AGAIN}")
            }
            Failure::UnknownRevision(head) => {
                format!("there was no such revision, the newest is {head}; {BEGIN_AGAIN}")
            }
            Failure::NoQuorum => "there is no leader just now; try again".to_owned(),
            Failure::NotReady(why) => format!("{why}; try again"),
            Failure::Limit { message, .. }
            | Failure::WrongSwarmState { message, .. }
            | Failure::RoleRequired { message, .. } => message.clone(),
            Failure::QuorumAtRisk { managers: 1, .. } => {
                "this is the only manager: if it leaves, the swarm with its services is lost on \
                 every node; force it if that may be"
                    .to_owned()
            }
            Failure::QuorumAtRisk {
                managers,
                reachable,
            } => format!(
                "of {managers} managers {reachable} answer, and without this one too few are \
                 left; force it if the swarm may be lost"
            ),
            Failure::NotEnabled { feature } => {
                format!("this daemon has no {feature}; a newer one may")
            }
            Failure::Waited(ending) => ending.to_string(),
            Failure::DeadlineExceeded => TIME_IS_OVER.to_owned(),
            Failure::Internal { trace } => {
                format!("a fault of the server; its log says more under trace {trace}")
            }
            Failure::StorageFailed { path, cause } => format!(
                "the manager cannot write {}: {cause}; it takes no changes until that is mended and \
                 skepd started again; what it acknowledged is safe",
                path.display()
            ),
        }
    }

    /// What a program needs to know beyond the reason, under the keys that the contract names.
    fn metadata(&self) -> HashMap<String, String> {
        match self {
            Failure::Rejected(rejection) => rejection_metadata(rejection),
            Failure::Compacted(revision) => pairs([("compact_revision", revision.to_string())]),
            Failure::UnknownRevision(head) => pairs([("head_revision", head.to_string())]),
            Failure::Limit { limit, .. } => pairs([("limit", limit.to_string())]),
            Failure::WrongSwarmState { state, .. } => pairs([("state", state.name().to_owned())]),
            Failure::QuorumAtRisk {
                managers,
                reachable,
            } => pairs([
                ("managers", managers.to_string()),
                ("reachable", reachable.to_string()),
            ]),
            Failure::RoleRequired { role, .. } => pairs([("role", (*role).to_owned())]),
            Failure::NotEnabled { feature } => pairs([("feature", feature.clone())]),
            Failure::Waited(ending) => wait_metadata(ending),
            Failure::Internal { trace } => pairs([("trace", trace.clone())]),
            Failure::StorageFailed { path, cause } => pairs([
                ("path", path.display().to_string()),
                ("cause", cause.clone()),
            ]),
            _ => HashMap::new(),
        }
    }

    fn add_details(&self, details: &mut ErrorDetails) {
        match self {
            Failure::Invalid(violations) => {
                details.set_bad_request(listed(violations));
            }
            Failure::Unreadable(why) => {
                let why = shortened(&format!("cannot be read: {why}"));
                details.set_bad_request(vec![FieldViolation::new("(the whole request)", why)]);
            }
            Failure::Rejected(Rejection::Field { field, description }) => {
                details.set_bad_request(vec![FieldViolation::new(field, description)]);
            }
            Failure::Rejected(Rejection::NotFound { kind, name }) => {
                details.set_resource_info(kind.as_str(), name, "", "there is none");
            }
            Failure::Waited(Ending::Gone { service }) => {
                let (kind, name) = (Kind::Service.as_str(), service.as_str());
                details.set_resource_info(kind, name, "", "it was deleted");
            }
            Failure::Rejected(Rejection::NameTaken { id, .. }) => {
                let kind = Kind::of(*id);
                details.set_resource_info(kind.as_str(), id.to_string(), "", "it has the name");
            }
            Failure::Limit {
                subject,
                limit,
                message,
            } => {
                let text = format!("{limit} at most; {message}");
                details.set_quota_failure(vec![QuotaViolation::new(*subject, text)]);
            }
            Failure::Rejected(Rejection::PortPoolExhausted { protocol }) => {
                let subject = format!("ingress {} ports", protocol.as_str());
                details.set_quota_failure(vec![QuotaViolation::new(subject, self.message())]);
            }
            _ => {}
        }
    }
}

fn rejection_metadata(rejection: &Rejection) -> HashMap<String, String> {
    match rejection {
        Rejection::NotFound { kind, name } => kind_and_name(*kind, name),
        Rejection::Ambiguous {
            candidates, count, ..
        } => {
            let ids: Vec<_> = candidates.iter().map(ObjectId::to_string).collect();
            pairs([("count", count.to_string()), ("candidates", ids.join(","))])
        }
        Rejection::NameTaken { name, id, .. } => {
            let mut metadata = kind_and_name(Kind::of(*id), name.as_str());
            metadata.insert("id".to_owned(), id.to_string());
            metadata
        }
        Rejection::PortTaken {
            port,
            protocol,
            service,
        } => pairs([
            ("port", port.to_string()),
            ("protocol", protocol.as_str().to_owned()),
            ("service", service.to_string()),
        ]),
        Rejection::SpecRevisionMismatch { present } => {
            pairs([("spec_revision", present.to_string())])
        }
        Rejection::PortPoolExhausted { protocol } => {
            pairs([("pool", format!("ingress ports, {}", protocol.as_str()))])
        }
        Rejection::RolloutState { state, .. } => pairs([(
            "state",
            state.map_or("NONE", RolloutState::as_str).to_owned(),
        )]),
        Rejection::NoEarlierRevision { kept, .. } => {
            let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
            pairs([("revisions", kept.join(","))])
        }
        Rejection::SwarmExists => pairs([("state", DaemonState::Member.name().to_owned())]),
        Rejection::RequestIdReused
        | Rejection::Deleting { .. }
        | Rejection::NodeNotDown { .. }
        | Rejection::NodeIsManager { .. }
        | Rejection::Field { .. } => HashMap::new(),
    }
}

fn wait_metadata(ending: &Ending) -> HashMap<String, String> {
    let (service, condition) = match ending {
        Ending::Gone { service } => return kind_and_name(Kind::Service, service.as_str()),
        Ending::Stalled { service, .. } => (service, Some(STALLED)),
        Ending::NotConverged { service, .. } => (service, Some(CONVERGED)),
        Ending::Unplaced { service, .. } | Ending::NotDeleted { service, .. } => (service, None),
    };
    let mut metadata = pairs([("service", service.to_string())]);
    metadata.extend(condition.map(|it| ("condition".to_owned(), it.to_owned())));
    metadata
}

fn kind_and_name(kind: Kind, name: &str) -> HashMap<String, String> {
    pairs([
        ("kind", kind.as_str().to_owned()),
        ("name", name.to_owned()),
    ])
}

fn pairs<const N: usize>(pairs: [(&str, String); N]) -> HashMap<String, String> {
    pairs
        .map(|(key, value)| (key.to_owned(), shortened(&value)))
        .into()
}

/// As many bad fields as fit into an error; its message says how many there are.
fn listed(violations: &[Violation]) -> Vec<FieldViolation> {
    let mut room = VIOLATIONS_BYTES_MAX;
    let mut listed = Vec::new();
    for violation in violations {
        let field = shortened(&violation.field);
        let description = shortened(&violation.description);
        let bytes = field.len() + description.len() + 16;
        if bytes > room && !listed.is_empty() {
            break;
        }
        room = room.saturating_sub(bytes);
        listed.push(FieldViolation::new(field, description));
    }
    listed
}

fn shortened(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    format!("{}…", &text[..end])
}

fn summary(violations: &[Violation]) -> String {
    let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
    bad_fields(&fields)
}

fn bad_fields(fields: &[impl AsRef<str>]) -> String {
    const NAMED_MAX: usize = 5;
    let named: Vec<_> = fields.iter().take(NAMED_MAX).map(AsRef::as_ref).collect();
    let named = named.join(", ");
    match fields.len() {
        1 => format!("the request has a bad field: {named}"),
        count if count <= NAMED_MAX => format!("the request has {count} bad fields: {named}"),
        count => format!("the request has {count} bad fields: {named}, …"),
    }
}
