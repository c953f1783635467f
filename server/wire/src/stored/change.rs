// SPDX-License-Identifier: Apache-2.0
//! Changes, to and from bytes.

use prost::Message;
use skep_core::model::{ObjectId, Revision};
use skep_core::state::{Change, Precondition, Request};
use skep_proto::internal::v1 as stored;
use skep_proto::internal::v1::precondition::Expect;

use super::load::{needed, object_id, time};
use super::{Corrupt, write};
use crate::render;

/// A change as the log holds it.
#[must_use]
pub fn encode_change(change: &Change) -> Vec<u8> {
    let message = stored::Change {
        preconditions: change
            .preconditions
            .iter()
            .map(precondition_message)
            .collect(),
        writes: change.writes.iter().map(write::to_message).collect(),
        time: Some(render::timestamp(change.time)),
        caller: change.caller.to_string(),
        request: change
            .request
            .as_ref()
            .map(|request| stored::RequestRecord {
                request_id: request.id.to_string(),
                digest: request.digest.to_vec(),
                object: request.object.to_string(),
                ..stored::RequestRecord::default()
            }),
    };
    message.encode_to_vec()
}

/// The change that the log holds as these bytes.
///
/// # Errors
/// If the bytes are not those of a change, or of one that this version cannot represent.
pub fn decode_change(bytes: &[u8]) -> Result<Change, Corrupt> {
    let message = stored::Change::decode(bytes)?;
    let preconditions = message.preconditions.iter().map(precondition);
    let writes = message.writes.into_iter().map(write::from_message);
    Ok(Change {
        preconditions: preconditions.collect::<Result<_, _>>()?,
        writes: writes.collect::<Result<_, _>>()?,
        time: time(message.time)?,
        caller: message.caller.into(),
        request: message.request.as_ref().map(request).transpose()?,
    })
}

fn precondition_message(precondition: &Precondition) -> stored::Precondition {
    let (object, expect) = match precondition {
        Precondition::Revision(object, revision) => (*object, Expect::Revision(revision.0)),
        Precondition::SpecRevision(object, revision) => (*object, Expect::SpecRevision(revision.0)),
        Precondition::RolloutRevision(service, revision) => (
            ObjectId::Service(*service),
            Expect::RolloutRevision(revision.0),
        ),
    };
    stored::Precondition {
        id: object.to_string(),
        expect: Some(expect),
    }
}

fn precondition(message: &stored::Precondition) -> Result<Precondition, Corrupt> {
    let object = object_id(&message.id)?;
    Ok(
        match needed("what is expected of an object", message.expect)? {
            Expect::Revision(revision) => Precondition::Revision(object, Revision(revision)),
            Expect::SpecRevision(revision) => {
                Precondition::SpecRevision(object, Revision(revision))
            }
            Expect::RolloutRevision(revision) => match object {
                ObjectId::Service(service) => {
                    Precondition::RolloutRevision(service, Revision(revision))
                }
                _ => return Err(Corrupt::new(format!("{object} has no rollout"))),
            },
        },
    )
}

pub(super) fn request(message: &stored::RequestRecord) -> Result<Request, Corrupt> {
    let digest = <[u8; 32]>::try_from(message.digest.as_ref())
        .map_err(|_| Corrupt::new("a digest of a request is not 32 bytes long"))?;
    Ok(Request {
        id: message.request_id.as_str().into(),
        digest,
        object: object_id(&message.object)?,
    })
}
