// SPDX-License-Identifier: Apache-2.0
//! Editing: read, change, and send only what the change touched, for the spec that was read.
//!
//! Fields this client does not know are never sent back, so an old client cannot erase what a
//! newer one wrote; and two editors of one object never undo each other's work.

use prost::Name;
use prost_types::FieldMask;

use crate::client::Client;
use crate::descriptors::dynamic;
use crate::error::Error;
use crate::mask;
use crate::v1::{
    ErrorReason, GetNodeRequest, GetServiceRequest, GetSwarmRequest, Node, NodeSpec, Service,
    ServiceSpec, Swarm, SwarmSpec, UpdateNodeRequest, UpdateServiceRequest, UpdateSwarmRequest,
};

/// How often an edit starts over because someone else changed the object meanwhile.
const MAX_ROUNDS: u32 = 10;

/// What came of an edit.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited<T> {
    /// The object as it now is.
    pub object: T,
    /// The revision of the change; of the read if there was nothing to change.
    pub revision: u64,
    /// Whether the closure changed anything.
    pub changed: bool,
}

/// One round: the spec that was read, what the closure made of it, and the mask between.
struct Change<S> {
    spec: S,
    mask: FieldMask,
}

/// Applies `change` to a copy of the spec; none if that changes nothing.
fn changed<S: Name + Clone>(before: &S, change: &mut impl FnMut(&mut S)) -> Option<Change<S>> {
    let mut spec = before.clone();
    change(&mut spec);
    let paths = mask::diff(&dynamic(before), &dynamic(&spec));
    (!paths.is_empty()).then_some(Change {
        spec,
        mask: FieldMask { paths },
    })
}

/// The rounds of an edit. All three kinds have requests and answers of one shape; `$place` is
/// what names the object in the update, if anything does.
macro_rules! rounds {
    (
        $change:expr, $get:expr, $stub:expr, $update:ident, $object:ident,
        $request:ident { $($place:ident: $reference:expr)? }
    ) => {{
        let mut round = 0;
        loop {
            let got = $get.await?.into_inner();
            let object = got.$object.unwrap_or_default();
            let meta = object.meta.clone().unwrap_or_default();
            let spec = object.spec.clone().unwrap_or_default();
            let Some(Change { spec, mask }) = changed(&spec, &mut $change) else {
                return Ok(Edited { object, revision: got.revision, changed: false });
            };
            let request = $request {
                $($place: $reference(&meta),)?
                spec: Some(spec),
                update_mask: Some(mask),
                if_spec_revision: meta.spec_revision,
                ..Default::default()
            };
            round += 1;
            match $stub.$update(request).await.map_err(Error::from) {
                Ok(answer) => {
                    let answer = answer.into_inner();
                    let object = answer.$object.unwrap_or_default();
                    return Ok(Edited { object, revision: answer.revision, changed: true });
                }
                Err(error) if error.is(ErrorReason::SpecRevisionMismatch) && round < MAX_ROUNDS => {}
                Err(error) => return Err(error),
            }
        }
    }};
}

impl Client {
    /// Changes a service, named by id or name. `change` may run several times, on the newest
    /// spec each time, and must come to the same end.
    ///
    /// # Errors
    /// Those of GetService and UpdateService; SPEC_REVISION_MISMATCH only if others win ten
    /// times in a row.
    pub async fn edit_service(
        &self,
        service: &str,
        mut change: impl FnMut(&mut ServiceSpec),
    ) -> Result<Edited<Service>, Error> {
        let get = || GetServiceRequest {
            service: service.to_owned(),
            consistency: None,
        };
        rounds!(
            change,
            self.services().get_service(get()),
            self.services(),
            update_service,
            service,
            UpdateServiceRequest {
                service: |meta: &crate::v1::Meta| meta.id.clone()
            }
        )
    }

    /// Changes a node, named by id or name. See [`Client::edit_service`].
    ///
    /// # Errors
    /// Those of GetNode and UpdateNode.
    pub async fn edit_node(
        &self,
        node: &str,
        mut change: impl FnMut(&mut NodeSpec),
    ) -> Result<Edited<Node>, Error> {
        let get = || GetNodeRequest {
            node: node.to_owned(),
            consistency: None,
        };
        rounds!(
            change,
            self.nodes().get_node(get()),
            self.nodes(),
            update_node,
            node,
            UpdateNodeRequest {
                node: |meta: &crate::v1::Meta| meta.id.clone()
            }
        )
    }

    /// Changes the settings of the swarm. See [`Client::edit_service`].
    ///
    /// # Errors
    /// Those of GetSwarm and UpdateSwarm.
    pub async fn edit_swarm(
        &self,
        mut change: impl FnMut(&mut SwarmSpec),
    ) -> Result<Edited<Swarm>, Error> {
        rounds!(
            change,
            self.swarm().get_swarm(GetSwarmRequest::default()),
            self.swarm(),
            update_swarm,
            swarm,
            UpdateSwarmRequest {}
        )
    }
}
