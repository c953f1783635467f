// SPDX-License-Identifier: Apache-2.0
//! Editing: read, change, and send only what the change touched, for the spec that was read.
//!
//! Only what the change touched is sent and named in the mask, so an old client cannot erase what
//! a newer one wrote elsewhere; and two editors of one object never undo each other's work. Lists
//! and maps are sent whole: if one is changed, what a later release has put inside its entries is
//! lost, because messages here hold no fields that they do not know.

use std::time::Duration;

use prost_types::FieldMask;
use rand::Rng;

use crate::client::Client;
use crate::error::Error;
use crate::mask;
use crate::v1::{
    ErrorReason, GetNodeRequest, GetServiceRequest, GetSwarmRequest, Node, NodeSpec, Service,
    ServiceSpec, Swarm, SwarmSpec, UpdateNodeRequest, UpdateServiceRequest, UpdateSwarmRequest,
};

/// How often an edit starts over because someone else changed the object meanwhile.
const MAX_ROUNDS: u32 = 10;

/// The longest pause before it does, of a random length: someone who writes all the time would
/// else win every race.
const PAUSE_MAX: Duration = Duration::from_millis(200);

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

/// One method a kind of object: their requests and answers have one shape, in which `$field`
/// holds the object; all but the swarm are named by a `$reference`.
macro_rules! edits {
    ($(
        $(#[$doc:meta])+
        $edit:ident($($reference:ident)?) of $spec:ident in $field:ident: $object:ident,
        by $stub:ident, $get:ident $get_request:ident, $update:ident $update_request:ident;
    )+) => {
        impl Client {
            $($(#[$doc])+
            pub async fn $edit(
                &self,
                $($reference: &str,)?
                mut change: impl FnMut(&mut $spec),
            ) -> Result<Edited<$object>, Error> {
                let mut round = 0;
                loop {
                    let get = $get_request {
                        $($reference: $reference.to_owned(),)?
                        ..Default::default()
                    };
                    let got = self.$stub().$get(get).await?.into_inner();
                    let object = got.$field.unwrap_or_default();
                    let before = object.spec.clone().unwrap_or_default();
                    let mut spec = before.clone();
                    change(&mut spec);
                    let (paths, changed) = mask::diff(&before, &spec);
                    if paths.is_empty() {
                        return Ok(Edited { object, revision: got.revision, changed: false });
                    }
                    let meta = object.meta.unwrap_or_default();
                    let update = $update_request {
                        $($reference: meta.id,)?
                        spec: Some(changed),
                        update_mask: Some(FieldMask { paths }),
                        if_spec_revision: meta.spec_revision,
                        ..Default::default()
                    };
                    round += 1;
                    match self.$stub().$update(update).await.map_err(Error::from) {
                        Ok(answer) => {
                            let answer = answer.into_inner();
                            let object = answer.$field.unwrap_or_default();
                            return Ok(Edited { object, revision: answer.revision, changed: true });
                        }
                        Err(error)
                            if error.is(ErrorReason::SpecRevisionMismatch)
                                && round < MAX_ROUNDS =>
                        {
                            let share = rand::rng().random_range(0.0..=1.0);
                            tokio::time::sleep(PAUSE_MAX.mul_f64(share)).await;
                        }
                        Err(error) => return Err(error),
                    }
                }
            })+
        }
    };
}

edits! {
    /// Changes a service, named by id or name. `change` may run several times, on the newest
    /// spec each time, and must come to the same end.
    ///
    /// # Errors
    /// Those of GetService and UpdateService; SPEC_REVISION_MISMATCH only if others win ten
    /// times in a row.
    edit_service(service) of ServiceSpec in service: Service,
    by services, get_service GetServiceRequest, update_service UpdateServiceRequest;

    /// Changes a node, named by id or name. See [`Client::edit_service`].
    ///
    /// # Errors
    /// Those of GetNode and UpdateNode.
    edit_node(node) of NodeSpec in node: Node,
    by nodes, get_node GetNodeRequest, update_node UpdateNodeRequest;

    /// Changes the settings of the swarm. See [`Client::edit_service`].
    ///
    /// # Errors
    /// Those of GetSwarm and UpdateSwarm.
    edit_swarm() of SwarmSpec in swarm: Swarm,
    by swarm, get_swarm GetSwarmRequest, update_swarm UpdateSwarmRequest;
}
