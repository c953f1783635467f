// SPDX-License-Identifier: Apache-2.0
//! Founding the swarm and changing its settings.

use std::sync::Arc;

use crate::model::{IdSource, ObjectId, Revision, SwarmId, SwarmSpec};
use crate::state::{Precondition, State, Write};

use super::find::check_spec_revision;
use super::{Admitted, Context, Kind, Rejection};

/// Founds the swarm.
///
/// # Errors
/// If there is one already.
pub fn found_swarm(
    state: &State,
    spec: SwarmSpec,
    ctx: &Context,
    ids: &mut dyn IdSource,
) -> Result<Admitted, Rejection> {
    if state.swarm().is_some() {
        return Err(Rejection::SwarmExists);
    }
    let id = SwarmId(ids.next_id());
    let write = Write::PutSwarm {
        id,
        spec: Arc::new(spec),
    };
    Ok(ctx.change(ObjectId::Swarm(id), Vec::new(), vec![write]))
}

/// Gives the swarm another spec; an equal one changes nothing.
///
/// # Errors
/// If there is no swarm, or `if_spec_revision` is not the present one.
pub fn update_swarm(
    state: &State,
    spec: SwarmSpec,
    if_spec_revision: Option<Revision>,
    ctx: &Context,
) -> Result<Admitted, Rejection> {
    let swarm = state.swarm().ok_or_else(|| Rejection::NotFound {
        kind: Kind::Swarm,
        name: String::new(),
    })?;
    let object = ObjectId::Swarm(swarm.meta.id);
    let present = swarm.meta.spec_revision;
    check_spec_revision(if_spec_revision, present)?;
    if *swarm.spec == spec {
        return Ok(Admitted::AlreadySo(Some(object)));
    }
    let write = Write::PutSwarm {
        id: swarm.meta.id,
        spec: Arc::new(spec),
    };
    let same = Precondition::SpecRevision(object, present);
    Ok(ctx.change(object, vec![same], vec![write]))
}
