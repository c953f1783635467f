// SPDX-License-Identifier: Apache-2.0
//! Whether what a user asks for may be, and the change that makes it so.
//!
//! Each function looks at one state and gives back a change to propose, or says that nothing
//! needs to change, or why it may not be. The log may refuse the change because the state has
//! moved on meanwhile; then the caller looks at the new state and asks here again.

mod find;
mod node;
mod ports;
mod rejection;
mod rollout;
mod service;
mod swarm;
mod task;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::model::{ObjectId, Timestamp};
use crate::state::{Change, Precondition, Request, RequestRecord, State, Write};

pub use find::{allow_missing, find_node, find_service, find_task};
pub use node::{delete_node, free_node_name, join_node, update_node};
pub use ports::INGRESS_POOL;
pub use rejection::{Kind, Rejection};
pub use rollout::{RolloutAction, control_rollout};
pub use service::{create_service, delete_service, put_service, update_service};
pub use swarm::{found_swarm, update_swarm};
pub use task::stop_task;

/// The request_id of a request, and what tells another request with the same one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestKey {
    /// The request_id.
    pub id: Arc<str>,
    /// SHA-256 of the method and the request.
    pub digest: [u8; 32],
}

/// Who asks, and when.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Context {
    /// The leader's clock.
    pub now: Timestamp,
    /// Who asks, for the record.
    pub caller: Arc<str>,
    /// What makes a retry safe; nothing: the caller did not ask for that.
    pub request: Option<RequestKey>,
}

/// What a user asks for is granted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admitted {
    /// Propose this change; the answer is about the object.
    Change(Change, ObjectId),
    /// Propose this change, then ask again: the whole is too much for one.
    Part(Change),
    /// It is so already, and nothing is to be written. No object: there is none, as asked for.
    AlreadySo(Option<ObjectId>),
}

impl Context {
    /// The first answer to this request, if it was answered before. To be asked before any of
    /// the other functions: what a repeated request did may stand in its own way now.
    ///
    /// # Errors
    /// If the request_id was used for another request.
    pub fn answered(&self, state: &State) -> Result<Option<Arc<RequestRecord>>, Rejection> {
        let Some(key) = &self.request else {
            return Ok(None);
        };
        match state.request(&key.id) {
            Some(known) if known.request.digest == key.digest => Ok(Some(known.clone())),
            Some(_) => Err(Rejection::RequestIdReused),
            None => Ok(None),
        }
    }

    fn change(
        &self,
        object: ObjectId,
        preconditions: Vec<Precondition>,
        writes: Vec<Write>,
    ) -> Admitted {
        let request = self.request.as_ref().map(|key| Request {
            id: key.id.clone(),
            digest: key.digest,
            object,
        });
        let change = Change {
            preconditions,
            writes,
            time: self.now,
            caller: self.caller.clone(),
            request,
        };
        Admitted::Change(change, object)
    }
}
