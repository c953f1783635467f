// SPDX-License-Identifier: Apache-2.0
//! Steering a rollout, and what a person resumes by asking for the same again.

use std::sync::Arc;

use crate::model::{
    KeptTemplate, ObjectId, REQUESTED, Revision, Rollout, RolloutCounts, RolloutState, Service,
};
use crate::rollout::{self, Event};
use crate::state::{Because, Precondition, State, Write, rollout_revision};

use super::find::check_spec_revision;
use super::{Admitted, Context, Kind, Rejection};

/// What a person wants of a rollout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RolloutAction {
    /// Change no further task.
    Pause,
    /// Go on where it stopped.
    Resume,
    /// Go back to this revision; none: to the one that is best to go back to.
    RollBack(Option<Revision>),
}

/// Steers the rollout of a service.
///
/// # Errors
/// If it is being deleted, `if_spec_revision` is not the present one, its rollout is in no state
/// for that, there is no such revision, or a port of it is taken meanwhile.
pub fn control_rollout(
    state: &State,
    service: &Service,
    action: RolloutAction,
    if_spec_revision: Option<Revision>,
    ctx: &Context,
) -> Result<Admitted, Rejection> {
    if service.is_deleting() {
        return Err(Rejection::Deleting {
            kind: Kind::Service,
            name: service.spec.name.clone(),
        });
    }
    check_spec_revision(if_spec_revision, service.meta.spec_revision)?;
    match action {
        RolloutAction::Pause => steer(service, Event::Pause, ctx),
        RolloutAction::Resume => steer(service, Event::Resume, ctx),
        RolloutAction::RollBack(to) => roll_back(state, service, to, ctx),
    }
}

fn steer(service: &Service, event: Event, ctx: &Context) -> Result<Admitted, Rejection> {
    let state = service.rollout.as_ref().map(|rollout| rollout.state);
    let (Some(rollout), Some(wanted)) = (&service.rollout, rollout::next(state, event)) else {
        return Err(Rejection::RolloutState {
            name: service.spec.name.clone(),
            state,
            pause: event == Event::Pause,
        });
    };
    let id = ObjectId::Service(service.meta.id);
    if wanted == rollout.state {
        return Ok(Admitted::AlreadySo(Some(id)));
    }
    let write = if wanted.is_paused() {
        paused(rollout, wanted, ctx)
    } else {
        resumed(rollout, wanted, ctx)
    };
    Ok(set(service, write, ctx))
}

/// Resumes the rollout of a service that a person wants as it is; nothing: it is not paused.
pub(super) fn resume_paused(service: &Service, ctx: &Context) -> Option<Admitted> {
    let rollout = service.rollout.as_ref().filter(|it| it.state.is_paused())?;
    let wanted = rollout::next(Some(rollout.state), Event::Resume)?;
    Some(set(service, resumed(rollout, wanted, ctx), ctx))
}

fn paused(rollout: &Rollout, state: RolloutState, ctx: &Context) -> Rollout {
    let what = if state.is_back() {
        "rollback"
    } else {
        "update"
    };
    Rollout {
        state,
        reason: REQUESTED.into(),
        message: format!("{what} paused by request").into(),
        end_time: Some(ctx.now),
        next_step_time: None,
        ..rollout.clone()
    }
}

/// Another leg: what failed before is tried again first, and counts no more. A rollback that
/// failures began is from here on what a person asked for.
fn resumed(rollout: &Rollout, state: RolloutState, ctx: &Context) -> Rollout {
    Rollout {
        state,
        leg: Revision::THIS,
        leg_time: ctx.now,
        reason: "".into(),
        message: "resumed by request".into(),
        end_time: None,
        automatic: false,
        counts: RolloutCounts {
            failed: 0,
            ..rollout.counts
        },
        ..rollout.clone()
    }
}

fn set(service: &Service, rollout: Rollout, ctx: &Context) -> Admitted {
    let write = Write::SetRollout {
        service: service.meta.id,
        rollout: Box::new(rollout),
    };
    let id = ObjectId::Service(service.meta.id);
    ctx.change(id, unchanged(service), vec![write])
}

/// That neither the spec nor the rollout that were looked at changed.
pub(super) fn unchanged(service: &Service) -> Vec<Precondition> {
    let meta = &service.meta;
    vec![
        Precondition::SpecRevision(ObjectId::Service(meta.id), meta.spec_revision),
        Precondition::RolloutRevision(meta.id, rollout_revision(service)),
    ]
}

fn roll_back(
    state: &State,
    service: &Service,
    to: Option<Revision>,
    ctx: &Context,
) -> Result<Admitted, Rejection> {
    let (id, present) = (service.meta.id, service.template_revision);
    let stage = service.rollout.as_ref().map(|rollout| rollout.state);
    let asked_again = to.is_none_or(|to| to == present);
    match stage {
        Some(RolloutState::RollingBack) if asked_again => return Ok(adopt(service, ctx)),
        Some(RolloutState::RollbackPaused) if asked_again => {
            return steer(service, Event::Resume, ctx);
        }
        _ => {}
    }
    let target = to.or_else(|| rollout::back_to(state, id, present));
    let kept = target.and_then(|target| Some((target, state.template(id, target)?)));
    let Some((target, kept)) = kept.filter(|(target, _)| *target != present) else {
        return Err(Rejection::NoEarlierRevision {
            name: service.spec.name.clone(),
            asked: to,
            kept: state
                .templates(id)
                .map(|(revision, _)| revision)
                .filter(|revision| *revision != present)
                .collect(),
        });
    };
    if let Some((port, protocol, owner)) = rollout::taken_port(state, id, &kept.ports) {
        return Err(Rejection::PortTaken {
            port,
            protocol,
            service: owner,
        });
    }
    let write = reuse(service, target, kept);
    Ok(ctx.change(ObjectId::Service(id), unchanged(service), vec![write]))
}

/// A rollback that goes on becomes one that a person asked for.
fn adopt(service: &Service, ctx: &Context) -> Admitted {
    match service.rollout.as_ref().filter(|it| it.automatic) {
        None => Admitted::AlreadySo(Some(ObjectId::Service(service.meta.id))),
        Some(rollout) => {
            let wanted = Rollout {
                reason: REQUESTED.into(),
                message: back_by_request(rollout.target),
                automatic: false,
                ..rollout.clone()
            };
            set(service, wanted, ctx)
        }
    }
}

fn back_by_request(target: Revision) -> Arc<str> {
    format!("rollback to revision {target} by request").into()
}

fn reuse(service: &Service, target: Revision, kept: &KeptTemplate) -> Write {
    Write::ReuseTemplate {
        service: service.meta.id,
        spec: Arc::new(rollout::spec_at(&service.spec, kept)),
        ports: kept.ports.clone(),
        revision: target,
        back: Some(Because {
            reason: REQUESTED.into(),
            message: back_by_request(target),
        }),
    }
}
