// SPDX-License-Identifier: Apache-2.0
//! What came of the steps of a rollout, and what the rollout does about it.

use std::sync::Arc;

use crate::model::{
    NO_PROGRESS, NODE_PAUSED, Rollout, RolloutState, RolloutStep, TASK_FAILED, TaskState,
    Timestamp, Verdict,
};
use crate::rollout::{self, Decision, Judgement, Proof, Watch};
use crate::state::{Because, Write};

use super::desk::Desk;
use super::place::{Attempt, Place, PlaceKey, Places};
use super::standing::{NEVER, Standing};
use super::update::Run;

impl Run {
    /// Notes what came of the step that made the task of a place.
    pub(super) fn judge(&mut self, desk: &mut Desk<'_>, place: &mut Place<'_>) {
        let Some(rollout) = &self.rollout else { return };
        let leg = rollout.leg;
        let Some(attempt) = place.meant_mut() else {
            return;
        };
        let step = attempt.step.filter(|step| step.verdict.is_none());
        let Some(step) = step.filter(|_| attempt.task.template_revision == self.target) else {
            return;
        };
        let verdict = match self.judgement(desk, rollout, &step, Some(attempt)) {
            Judgement::Open(_) => return,
            Judgement::Passed => Verdict::Passed,
            judgement => {
                self.failed(attempt, judgement == Judgement::Late);
                Verdict::Failed
            }
        };
        attempt.step = Some(RolloutStep {
            leg,
            turn_over: step.turn_over.or(Some(desk.now)),
            verdict: Some(verdict),
            ..step
        });
        desk.write([Write::JudgeStep {
            task: attempt.id(),
            verdict: Some(verdict),
            leg,
        }]);
    }

    /// Asks for a look when time alone will judge a step.
    pub(super) fn wake(&self, desk: &mut Desk<'_>, places: &Places<'_>, wanted: &[PlaceKey]) {
        for (_, judgement) in self.open_steps(desk, places, wanted) {
            if let Judgement::Open(Some(at)) = judgement {
                desk.wake_at(at);
            }
        }
    }

    /// When all that is being changed will have passed, if nothing happens to it.
    pub(super) fn passed_at(
        &self,
        desk: &Desk<'_>,
        places: &Places<'_>,
        wanted: &[PlaceKey],
    ) -> Timestamp {
        let open = self.open_steps(desk, places, wanted).into_iter();
        let times = open.map(|step| match step {
            (TaskState::Running, Judgement::Open(Some(at))) => at,
            _ => NEVER,
        });
        times.max().unwrap_or(NEVER)
    }

    /// The steps that are not judged yet: where the task of each is, and what comes of it.
    fn open_steps(
        &self,
        desk: &Desk<'_>,
        places: &Places<'_>,
        wanted: &[PlaceKey],
    ) -> Vec<(TaskState, Judgement)> {
        let Some(rollout) = self.rollout.as_ref().filter(|it| !it.state.is_over()) else {
            return Vec::new();
        };
        let places = wanted.iter().filter_map(|key| places.get(*key));
        let open = places.filter_map(|place| {
            let Standing::Open(step) = Standing::of(desk, place, rollout) else {
                return None;
            };
            let meant = place.meant().filter(|_| place.made.is_none());
            let state = meant.map_or(Proof::NONE.state, |it| it.state);
            Some((state, self.judgement(desk, rollout, &step, meant)))
        });
        open.collect()
    }

    /// What comes of a step whose task is `meant`; nothing: it is only being made.
    fn judgement(
        &self,
        desk: &Desk<'_>,
        rollout: &Rollout,
        step: &RolloutStep,
        meant: Option<&Attempt<'_>>,
    ) -> Judgement {
        let watch = Watch {
            leg_time: rollout.leg_time,
            is_paused: rollout.state.is_paused(),
            heard_since: match meant {
                Some(attempt) => desk.heard_since(attempt.task),
                None => Some(desk.led_since),
            },
            heard_by: desk.led_since.after(desk.swarm.down_after()),
        };
        let proof = meant.map_or(Proof::NONE, |attempt| Proof {
            state: attempt.state,
            outcome: attempt.outcome,
            is_engine_lost: attempt.task.ended_with_engine(),
        });
        rollout::judge(&self.policy, step, proof, watch, desk.now)
    }

    fn failed(&mut self, attempt: &Attempt<'_>, late: bool) {
        let (name, id) = (&attempt.task.name, attempt.id());
        let status = &attempt.task.status;
        let (reason, what) = match (late, &status.unplaced) {
            (true, Some(unplaced)) => {
                let causes = unplaced.causes.iter().map(|cause| &*cause.message);
                let causes = causes.collect::<Vec<_>>().join(", ");
                (NO_PROGRESS, format!("found no node in time: {causes}"))
            }
            (true, None) => (NO_PROGRESS, "did not come to run in time".to_owned()),
            (false, _) => match attempt.task.end_in_words() {
                words if words.is_empty() => (TASK_FAILED, "failed".to_owned()),
                words => (TASK_FAILED, format!("failed: {words}")),
            },
        };
        self.failure = Some(Because {
            reason: reason.into(),
            message: format!("task {name} {id} {what}").into(),
        });
        if let Some(rollout) = &mut self.rollout {
            rollout.last_failed_task = Some(id);
        }
    }

    /// Goes on, pauses, goes back or ends, by what came of the steps so far.
    pub(super) fn decide(&mut self, desk: &mut Desk<'_>, places: &Places<'_>, wanted: &[PlaceKey]) {
        let census = self.census(desk, places, wanted);
        let Some(rollout) = &self.rollout else { return };
        let counts = census.counts;
        match rollout::decide(rollout.state, &self.policy, counts, census.left) {
            Decision::Stay => {}
            Decision::Come(state) if state.is_paused() => self.pause(desk, state, ""),
            Decision::Come(state) => self.complete(desk, state),
            Decision::GoBack => self.go_back(desk),
        }
    }

    fn because(&self) -> Because {
        let counted = || Because {
            reason: TASK_FAILED.into(),
            message: "more tasks failed than may".into(),
        };
        self.failure.clone().unwrap_or_else(counted)
    }

    fn pause(&mut self, desk: &Desk<'_>, state: RolloutState, more: &str) {
        let because = self.because();
        let Some(rollout) = &mut self.rollout else {
            return;
        };
        let what = if state.is_back() {
            "rollback"
        } else {
            "update"
        };
        rollout.state = state;
        rollout.end_time = Some(desk.now);
        rollout.reason = because.reason;
        rollout.message = format!("{what} paused: {}{more}", because.message).into();
    }

    fn complete(&mut self, desk: &mut Desk<'_>, state: RolloutState) {
        let Some(rollout) = &mut self.rollout else {
            return;
        };
        rollout.state = state;
        rollout.end_time = Some(desk.now);
        if state == RolloutState::Completed {
            rollout.reason = "".into();
            rollout.message = "update completed".into();
        }
        if rollout.message.is_empty() || rollout.reason == NODE_PAUSED {
            rollout.reason = "".into();
            rollout.message = format!("rollback to revision {}", rollout.target).into();
        }
        // Then it will be known whether it is good.
        desk.look_again();
    }

    fn go_back(&mut self, desk: &mut Desk<'_>) {
        let id = desk.service.meta.id;
        let Some((to, kept)) = rollout::back_to(desk.state, id, self.target)
            .and_then(|to| Some((to, desk.template(to)?)))
        else {
            let more = "; there is no earlier revision to go back to";
            return self.pause(desk, RolloutState::Paused, more);
        };
        if let Some((port, protocol, owner)) = rollout::taken_port(desk.state, id, &kept.ports) {
            let protocol = protocol.as_str();
            let more = format!(
                "; it cannot go back to revision {to}, whose port {port}/{protocol} service \
                 \"{owner}\" publishes now"
            );
            return self.pause(desk, RolloutState::Paused, &more);
        }
        let because = self.because();
        desk.write([Write::ReuseTemplate {
            service: id,
            spec: Arc::new(rollout::spec_at(&desk.service.spec, kept)),
            ports: kept.ports.clone(),
            revision: to,
            back: Some(Because {
                message: format!("rollback to revision {to}: {}", because.message).into(),
                ..because
            }),
        }]);
        self.is_another = true;
        desk.look_again();
    }
}
