// SPDX-License-Identifier: Apache-2.0
//! Who calls, for how long they wait, and what they ask for.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use sha2::{Digest, Sha256};
use skep_core::admit::{Context, RequestKey};
use skep_core::model::{Revision, Timestamp};
use skep_proto::v1::Role;
use skep_wire::parse::Fields;
use tokio::time::Instant;
use tonic::Request;

use crate::error::Failure;

/// Most characters of a request_id.
const REQUEST_ID_CHARS_MAX: usize = 64;
/// Most characters of a reference to one object.
const REFERENCE_CHARS_MAX: usize = 64;
/// The largest revision that may be asked for.
const REVISION_MAX: u64 = 1 << 53;
/// What is kept back of a deadline, so that the answer still gets out in time.
const ANSWER_TIME: Duration = Duration::from_millis(20);

/// Who calls, and until when. The guard puts it into each request.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls, for the record: `uid:1000`.
    pub caller: Arc<str>,
    /// What they may do.
    pub role: Role,
    /// When the answer must be there.
    pub deadline: Instant,
    /// The method, as in `/skep.v1.TaskService/GetTask`.
    pub method: Arc<str>,
}

impl Call {
    /// Who makes this request.
    ///
    /// # Errors
    /// If the request came past the guard.
    pub fn of<T>(request: &Request<T>) -> Result<Call, Failure> {
        let call = request.extensions().get::<Call>().cloned();
        call.ok_or_else(|| Failure::internal("a request came past the guard"))
    }

    /// Until when the server may wait for something and still answer.
    #[must_use]
    pub fn patience(&self) -> Instant {
        self.deadline
            .checked_sub(ANSWER_TIME)
            .unwrap_or(self.deadline)
    }

    /// What admission needs to know of this call. Two requests are the same if method and
    /// message are.
    pub(crate) fn context<M: Message>(
        &self,
        now: Timestamp,
        request_id: &str,
        request: &M,
    ) -> Context {
        let request = (!request_id.is_empty()).then(|| {
            let mut hash = Sha256::new();
            hash.update(self.method.as_bytes());
            hash.update([0]);
            hash.update(request.encode_to_vec());
            RequestKey {
                id: request_id.into(),
                digest: hash.finalize().into(),
            }
        });
        Context {
            now,
            caller: self.caller.clone(),
            request,
        }
    }
}

/// Refuses a request_id that is too long.
pub(crate) fn check_request_id(fields: &mut Fields, text: &str) {
    fields.length("request_id", text, 0, REQUEST_ID_CHARS_MAX);
}

/// Refuses a reference to the one object of a request that is empty or too long.
pub(crate) fn check_reference(fields: &mut Fields, name: &str, text: &str) {
    fields.length(name, text, 1, REFERENCE_CHARS_MAX);
}

/// The revision that a precondition names; nothing: it names none.
pub(crate) fn if_spec_revision(fields: &mut Fields, revision: u64) -> Option<Revision> {
    fields.range("if_spec_revision", revision, 0, REVISION_MAX);
    (revision != 0).then_some(Revision(revision))
}

/// Refuses a spec that is too large for one object.
pub(crate) fn check_spec_size(fields: &mut Fields, spec: &impl Message) {
    const SPEC_BYTES_MAX: usize = 1 << 20;
    let bytes = spec.encoded_len();
    if bytes > SPEC_BYTES_MAX {
        fields.wrong(
            "spec",
            format!("has {bytes} bytes, allowed are at most {SPEC_BYTES_MAX}"),
        );
    }
}

/// A revision to be at least as new as.
pub(crate) fn revision(fields: &mut Fields, name: &str, revision: u64) -> Revision {
    fields.range(name, revision, 1, REVISION_MAX);
    Revision(revision)
}
