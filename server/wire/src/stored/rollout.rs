// SPDX-License-Identifier: Apache-2.0
//! Rollouts and their steps, with what is stored beside their public form.

use skep_core::model::{
    Revision, Rollout, RolloutCounts, RolloutState, RolloutStep, TaskId, Verdict,
};
use skep_core::state::{Because, Write};
use skep_proto::internal::v1 as stored;
use skep_proto::internal::v1::write::Action;

use super::Corrupt;
use super::load::{id, needed, optional_time, ports, service_spec, time};
use crate::render;

pub(super) fn rollout_message(rollout: &Rollout) -> stored::StoredRollout {
    stored::StoredRollout {
        rollout: Some(render::rollout(rollout)),
        began: rollout.began.0,
        leg: rollout.leg.0,
        leg_time: Some(render::timestamp(rollout.leg_time)),
        revision: rollout.revision.0,
        judged_spec: rollout.judged_spec.0,
        automatic: rollout.automatic,
    }
}

pub(super) fn rollout(message: stored::StoredRollout) -> Result<Rollout, Corrupt> {
    let public = needed("the public part of a rollout", message.rollout)?;
    let failed: Option<TaskId> = match public.last_failed_task.as_str() {
        "" => None,
        text => Some(id(text)?),
    };
    Ok(Rollout {
        state: state(public.state)?,
        target: Revision(public.template_revision),
        from: Revision(public.from_template_revision),
        began: Revision(message.began),
        leg: Revision(message.leg),
        leg_time: time(message.leg_time)?,
        revision: Revision(message.revision),
        judged_spec: Revision(message.judged_spec),
        reason: public.reason.into(),
        message: public.message.into(),
        start_time: time(public.start_time)?,
        end_time: optional_time(public.end_time)?,
        next_step_time: optional_time(public.next_step_time)?,
        counts: RolloutCounts {
            total: public.total_tasks,
            updated: public.updated_tasks,
            updating: public.updating_tasks,
            failed: public.failed_tasks,
        },
        last_failed_task: failed,
        automatic: message.automatic,
    })
}

fn state(value: i32) -> Result<RolloutState, Corrupt> {
    let mut states = RolloutState::ALL.into_iter();
    let found = states.find(|state| i32::from(render::rollout_state(*state)) == value);
    found.ok_or_else(|| Corrupt::new(format!("no state of a rollout has the number {value}")))
}

pub(super) fn step_message(step: &RolloutStep) -> stored::RolloutStep {
    stored::RolloutStep {
        leg: step.leg.0,
        begun: Some(render::timestamp(step.begun)),
        turn_over: step.turn_over.map(render::timestamp),
        overlaps: step.overlaps,
        verdict: verdict_message(step.verdict).into(),
    }
}

pub(super) fn step(message: stored::RolloutStep) -> Result<RolloutStep, Corrupt> {
    Ok(RolloutStep {
        leg: Revision(message.leg),
        begun: time(message.begun)?,
        turn_over: optional_time(message.turn_over)?,
        overlaps: message.overlaps,
        verdict: verdict(message.verdict)?,
    })
}

fn verdict_message(verdict: Option<Verdict>) -> stored::StepVerdict {
    match verdict {
        None => stored::StepVerdict::Unspecified,
        Some(Verdict::Passed) => stored::StepVerdict::Passed,
        Some(Verdict::Failed) => stored::StepVerdict::Failed,
    }
}

fn verdict(value: i32) -> Result<Option<Verdict>, Corrupt> {
    match stored::StepVerdict::try_from(value) {
        Ok(stored::StepVerdict::Unspecified) => Ok(None),
        Ok(stored::StepVerdict::Passed) => Ok(Some(Verdict::Passed)),
        Ok(stored::StepVerdict::Failed) => Ok(Some(Verdict::Failed)),
        Err(_) => Err(Corrupt::new(format!("no verdict has the number {value}"))),
    }
}

// === writes ===

/// The message of a write about rollouts; nothing: it is about something else.
pub(super) fn action(write: &Write) -> Option<Action> {
    Some(match write {
        Write::ReuseTemplate {
            service,
            spec,
            ports,
            revision,
            back,
        } => Action::ReuseTemplate(stored::ReuseTemplate {
            service: service.to_string(),
            spec: Some(render::service_spec(spec)),
            ports: ports.iter().map(render::port).collect(),
            template_revision: revision.0,
            reason: back
                .as_ref()
                .map(|it| it.reason.to_string())
                .unwrap_or_default(),
            message: back
                .as_ref()
                .map(|it| it.message.to_string())
                .unwrap_or_default(),
        }),
        Write::SetRollout { service, rollout } => Action::SetRollout(stored::SetRollout {
            service: service.to_string(),
            rollout: Some(rollout_message(rollout)),
        }),
        Write::JudgeStep { task, verdict, leg } => Action::JudgeStep(stored::JudgeStep {
            task: task.to_string(),
            verdict: verdict_message(*verdict).into(),
            leg: leg.0,
        }),
        Write::MarkGood { service, revision } => Action::MarkGood(stored::MarkGood {
            service: service.to_string(),
            template_revision: revision.0,
        }),
        _ => return None,
    })
}

pub(super) fn reuse(message: stored::ReuseTemplate) -> Result<Write, Corrupt> {
    let is_back = !message.reason.is_empty();
    let because = || Because {
        reason: message.reason.into(),
        message: message.message.into(),
    };
    Ok(Write::ReuseTemplate {
        service: id(&message.service)?,
        spec: service_spec(message.spec)?,
        ports: ports(message.ports),
        revision: Revision(message.template_revision),
        back: is_back.then(because),
    })
}

pub(super) fn set(message: stored::SetRollout) -> Result<Write, Corrupt> {
    Ok(Write::SetRollout {
        service: id(&message.service)?,
        rollout: Box::new(rollout(needed("a rollout", message.rollout)?)?),
    })
}

pub(super) fn judge(message: &stored::JudgeStep) -> Result<Write, Corrupt> {
    Ok(Write::JudgeStep {
        task: id(&message.task)?,
        verdict: verdict(message.verdict)?,
        leg: Revision(message.leg),
    })
}

pub(super) fn good(message: &stored::MarkGood) -> Result<Write, Corrupt> {
    Ok(Write::MarkGood {
        service: id(&message.service)?,
        revision: Revision(message.template_revision),
    })
}
