// SPDX-License-Identifier: Apache-2.0
//! Writing how far rollouts are.

use std::sync::Arc;

use crate::model::{
    KeptTemplate, Port, REQUESTED, Revision, Rollout, RolloutState, ServiceId, ServiceSpec, TaskId,
    Verdict,
};
use crate::state::Because;

use super::Writing;

impl Writing<'_> {
    pub(super) fn reuse_template(
        &mut self,
        id: ServiceId,
        spec: &Arc<ServiceSpec>,
        ports: &[Port],
        target: Revision,
        back: Option<&Because>,
    ) {
        let time = self.time;
        self.renew_template(id, target, spec, ports);
        let kept = self.state.template(id, target);
        let image = kept.map(|kept| kept.image.clone()).unwrap_or_default();
        self.edit_service(id, |service, revision| {
            service.meta.spec_revision = revision;
            service.spec = spec.clone();
            service.ports = ports.to_vec();
            let state = match back {
                Some(_) => RolloutState::RollingBack,
                None => RolloutState::Updating,
            };
            let way = (service.template_revision, target);
            let mut rollout = Rollout::begin(state, way, revision, time);
            if let Some(because) = back {
                rollout.reason = because.reason.clone();
                rollout.message = because.message.clone();
                rollout.automatic = because.reason != REQUESTED;
                let before = service.rollout.as_ref();
                rollout.last_failed_task = before.and_then(|before| before.last_failed_task);
            }
            service.rollout = Some(rollout);
            service.template_revision = target;
            service.image = image;
        });
    }

    pub(super) fn set_rollout(&mut self, id: ServiceId, rollout: &Rollout) {
        self.edit_service(id, |service, revision| {
            let before = service.rollout.as_ref();
            let judged_spec = match before {
                Some(before) if before.state == rollout.state => before.judged_spec,
                _ => service.meta.spec_revision,
            };
            let this = |known: Revision| match known {
                Revision::THIS => revision,
                known => known,
            };
            service.rollout = Some(Rollout {
                began: this(rollout.began),
                leg: this(rollout.leg),
                revision,
                judged_spec,
                ..rollout.clone()
            });
        });
    }

    pub(super) fn judge_step(&mut self, id: TaskId, verdict: Option<Verdict>, leg: Revision) {
        let time = self.time;
        self.edit_task(id, |task| {
            let Some(step) = &mut task.step else {
                return;
            };
            step.verdict = verdict;
            step.leg = leg;
            match verdict {
                Some(_) => _ = step.turn_over.get_or_insert(time),
                None => {
                    step.begun = time;
                    step.turn_over = None;
                }
            }
        });
    }

    pub(super) fn mark_good(&mut self, service: ServiceId, revision: Revision) {
        if let Some(kept) = self.state.template(service, revision)
            && !kept.good
        {
            let good = KeptTemplate {
                good: true,
                ..KeptTemplate::clone(kept)
            };
            let key = (service, revision);
            self.state.templates.insert(key, Arc::new(good));
        }
    }
}
