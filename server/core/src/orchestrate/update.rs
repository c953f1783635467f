// SPDX-License-Identifier: Apache-2.0
//! Rolling a change out over the places of a service, by the policy of its spec.
//!
//! A look at a rollout judges the steps that were made, decides by what came of them whether it
//! goes on, pauses, goes back or is done, and then begins as many steps as its policy leaves
//! room for, those first where something failed. A place out of date that fails, or must move,
//! while there is no room is made again from the template that it had.

use crate::model::{
    NODE_PAUSED, Name, Revision, Rollout, RolloutState, RolloutStep, TaskState, Timestamp,
    UpdateOrder, UpdatePolicy, Verdict,
};
use crate::rollout;
use crate::state::{Because, Write};

use super::desk::Desk;
use super::node_loss::Ground;
use super::place::{Attempt, Place, PlaceKey, Places};
use super::standing::{Census, NEVER, Standing};
use super::tend::{self, Next};

/// A rollout while it is looked at.
pub(super) struct Run {
    pub(super) target: Revision,
    pub(super) policy: UpdatePolicy,
    /// As it will be; nothing: there never was one.
    pub(super) rollout: Option<Rollout>,
    /// How many steps may be begun.
    room: usize,
    /// How many more tasks may be taken away before their successors run.
    may_go: usize,
    /// When time alone makes room.
    room_at: Timestamp,
    /// The newest step that was found to have failed.
    pub(super) failure: Option<Because>,
    /// Another rollout begins: the rest is left to the next look.
    pub(super) is_another: bool,
}

impl Run {
    /// Judges what was begun, and decides how to go on.
    pub(super) fn of(desk: &mut Desk<'_>, places: &mut Places<'_>, wanted: &[PlaceKey]) -> Run {
        let rollout = desk.service.rollout.clone();
        let is_back = rollout.as_ref().is_some_and(|it| it.state.is_back());
        let mut run = Run {
            target: desk.current(),
            policy: desk.service.spec.policy(is_back),
            rollout,
            room: 0,
            may_go: 0,
            room_at: NEVER,
            failure: None,
            is_another: false,
        };
        run.begin_if_missed(desk, places, wanted);
        if run.is_another || run.rollout.as_ref().is_none_or(|it| it.state.is_over()) {
            return run;
        }
        for key in wanted {
            run.judge(desk, places.at(*key));
        }
        run.decide(desk, places, wanted);
        run.make_room(desk, places, wanted);
        run
    }

    pub(super) fn is_paused(&self) -> bool {
        self.rollout.as_ref().is_some_and(|it| it.state.is_paused())
    }

    /// Whether the rest of the look is to be left to the next one.
    pub(super) fn is_another(&self) -> bool {
        self.is_another
    }

    /// Whether a task that runs may be taken away for a successor that does not run yet. A
    /// rollout that is over tries on what failed, one by one.
    pub(super) fn take_away(&mut self) -> bool {
        if self.going().is_none() {
            return true;
        }
        let may = self.may_go > 0;
        self.may_go = self.may_go.saturating_sub(1);
        may
    }

    fn going(&self) -> Option<&Rollout> {
        self.rollout.as_ref().filter(|it| it.state.is_going())
    }

    /// Begins a rollout if there should be one: places are out of date, and none is under way.
    fn begin_if_missed(&mut self, desk: &mut Desk<'_>, places: &Places<'_>, wanted: &[PlaceKey]) {
        if self.rollout.as_ref().is_some_and(|it| !it.state.is_over()) {
            return;
        }
        let outdated = wanted.iter().filter_map(|key| {
            let meant = places.get(*key)?.meant()?;
            let template = meant.task.template_revision;
            (template != self.target).then_some(template)
        });
        let Some(from) = outdated.max() else {
            return;
        };
        let way = (from, self.target);
        let begun = Rollout::begin(RolloutState::Updating, way, Revision::THIS, desk.now);
        self.rollout = Some(begun);
        self.is_another = true;
        desk.look_again();
    }

    pub(super) fn census(
        &self,
        desk: &Desk<'_>,
        places: &Places<'_>,
        wanted: &[PlaceKey],
    ) -> Census {
        let mut census = Census::default();
        if let Some(rollout) = &self.rollout {
            for place in wanted.iter().filter_map(|key| places.get(*key)) {
                census.add(Standing::of(desk, place, rollout));
            }
        }
        census
    }

    /// How many steps may be begun now.
    fn make_room(&mut self, desk: &Desk<'_>, places: &Places<'_>, wanted: &[PlaceKey]) {
        let bug = cfg!(skep_bug = "rollout_restless");
        let makes = |it: &&Rollout| it.state.is_going() || (bug && it.state.is_paused());
        let Some(rollout) = self.rollout.as_ref().filter(makes).cloned() else {
            return;
        };
        let (mut taken, mut down) = (0, 0);
        for place in wanted.iter().filter_map(|key| places.get(*key)) {
            let standing = Standing::of(desk, place, &rollout);
            let runs_not = matches!(standing, Standing::Open(step) if step.turn_over.is_none());
            down += usize::from(runs_not && place.successor().is_none());
            let delay = self.policy.delay();
            let until = standing.keeps_turn(rollout.leg, delay);
            // A time further ahead was written by a clock that was ahead.
            let holds = |until: Timestamp| until == NEVER || until <= desk.now.after(delay);
            let until = until.filter(|until| *until > desk.now && holds(*until));
            if let Some(until) = until {
                taken += 1;
                self.room_at = self.room_at.min(until);
            }
        }
        let bug = usize::from(cfg!(skep_bug = "rollout_crowds"));
        let room = self.policy.parallelism().saturating_sub(taken);
        self.room = room.saturating_add(bug);
        self.may_go = self
            .policy
            .parallelism()
            .saturating_sub(down)
            .saturating_add(bug);
    }

    /// A step that begins now.
    fn step(&self, desk: &Desk<'_>, overlaps: bool) -> Option<RolloutStep> {
        self.going().map(|rollout| RolloutStep {
            leg: rollout.leg,
            begun: desk.now,
            turn_over: None,
            overlaps,
            verdict: None,
        })
    }

    /// What a place that was never used is to have. While an update is paused it does not
    /// spread.
    pub(super) fn first_at_a_new_place(&self, desk: &Desk<'_>) -> Next {
        let paused = self.rollout.as_ref();
        let paused = paused.is_some_and(|it| it.state == RolloutState::Paused);
        let before = rollout::back_to(desk.state, desk.service.meta.id, self.target);
        match before.filter(|_| paused) {
            Some(before) => Next::fresh(before, None),
            None => Next::fresh(self.target, self.step(desk, false)),
        }
    }

    /// The attempt that is made where `next` is needed. A place out of date takes the chance to
    /// be brought up to date, if there is room.
    pub(super) fn template_for(&mut self, desk: &Desk<'_>, next: Next) -> Next {
        let under_way = self.rollout.as_ref().filter(|it| !it.state.is_over());
        if next.template == self.target || (under_way.is_some() && self.room == 0) {
            return next;
        }
        self.room = self.room.saturating_sub(1);
        Next::fresh(self.target, self.step(desk, false))
    }

    /// Begins as many steps as there is room for.
    pub(super) fn begin_steps(
        &mut self,
        desk: &mut Desk<'_>,
        places: &mut Places<'_>,
        wanted: &[PlaceKey],
    ) {
        let Some(rollout) = self.going() else { return };
        let mut candidates: Vec<(u8, PlaceKey)> = wanted
            .iter()
            .filter_map(|key| Some((rank(desk, places.get(*key)?, rollout)?, *key)))
            .collect();
        candidates.sort_unstable();
        let waiting = candidates.len() > self.room;
        for (_, key) in candidates.into_iter().take(self.room) {
            self.begin(desk, places.at(key));
        }
        if waiting && self.room_at != NEVER {
            desk.wake_at(self.room_at);
        }
        // When there is room again, or when all that is being changed will have passed.
        let next = if waiting {
            self.room_at
        } else {
            self.passed_at(desk, places, wanted)
        };
        if let Some(rollout) = &mut self.rollout {
            rollout.next_step_time = Some(next).filter(|time| *time != NEVER);
        }
    }

    fn begin(&self, desk: &mut Desk<'_>, place: &mut Place<'_>) {
        let runs = |it: &Attempt<'_>| {
            it.state == TaskState::Running && it.ground == Ground::Sound && !it.has_ended()
        };
        let holder = place.holder();
        let is_target = holder.is_some_and(|it| it.task.template_revision == self.target);
        if holder.is_none_or(|holder| !runs(holder)) {
            let step = self.step(desk, false);
            tend::replace(desk, place, Next::fresh(self.target, step));
        } else if is_target {
            self.reopen(desk, place);
        } else {
            let overlaps = self.policy.order() == UpdateOrder::StartFirst;
            let step = self.step(desk, overlaps);
            tend::make_beside(desk, place, Next::fresh(self.target, step));
        }
    }

    /// Lets a task that runs after all prove itself again. It keeps its turn until it has.
    fn reopen(&self, desk: &mut Desk<'_>, place: &mut Place<'_>) {
        let (Some(step), Some(attempt)) = (self.step(desk, false), place.holder_mut()) else {
            return;
        };
        attempt.step = Some(step);
        desk.write([Write::JudgeStep {
            task: attempt.id(),
            verdict: None,
            leg: step.leg,
        }]);
    }

    /// Notes how far the rollout has come.
    pub(super) fn finish(mut self, desk: &mut Desk<'_>, places: &Places<'_>, wanted: &[PlaceKey]) {
        let census = self.census(desk, places, wanted);
        let before = desk.service.rollout.as_ref().map(|before| before.state);
        if let Some(rollout) = self.rollout.as_mut().filter(|_| !self.is_another) {
            if !rollout.state.is_over() || before != Some(rollout.state) {
                rollout.counts = census.counts;
            }
            if !rollout.state.is_going() {
                rollout.next_step_time = None;
            }
            let first = wanted.iter().find_map(|key| {
                let standing = Standing::of(desk, places.get(*key)?, rollout);
                (standing == Standing::Waiting).then_some(*key)
            });
            note_waiting(rollout, census, first.and_then(|key| node_name(desk, key)));
        }
        self.wake(desk, places, wanted);
        if self.rollout != desk.service.rollout
            && let Some(rollout) = self.rollout
        {
            desk.write_first(Write::SetRollout {
                service: desk.service.meta.id,
                rollout: Box::new(rollout),
            });
        }
    }
}

/// Says so while a rollout has nothing left to change but tasks on paused nodes, of which this
/// is the first.
fn note_waiting(rollout: &mut Rollout, census: Census, first: Option<Name>) {
    let waits =
        rollout.state.is_going() && census.left == census.waiting && census.counts.updating == 0;
    if let Some(node) = first.filter(|_| waits) {
        rollout.reason = NODE_PAUSED.into();
        rollout.message = match census.waiting {
            1 => format!(
                "1 task is left to change, on node {node}, which is paused; set it active or \
                 drain it"
            ),
            tasks => format!(
                "{tasks} tasks are left to change, on node {node} and others, which are paused; \
                 set them active or drain them"
            ),
        }
        .into();
    } else if rollout.reason == NODE_PAUSED {
        rollout.reason = "".into();
        rollout.message = "".into();
    }
}

fn node_name(desk: &Desk<'_>, key: PlaceKey) -> Option<Name> {
    let PlaceKey::Node(node) = key else {
        return None;
    };
    Some(desk.state.node(node)?.spec.name.clone())
}

/// How early a place has its turn: those first where a step failed, then those where nothing
/// runs. Nothing: it is up to date, being changed, or must be left alone.
fn rank(desk: &Desk<'_>, place: &Place<'_>, rollout: &Rollout) -> Option<u8> {
    if place.made.is_some() {
        return None;
    }
    let holder = place.holder()?;
    let failed = |step: RolloutStep| step.verdict == Some(Verdict::Failed);
    match Standing::of(desk, place, rollout) {
        Standing::Retry => Some(0),
        Standing::Outdated if holder.step.is_some_and(failed) => Some(0),
        Standing::Outdated => Some(match holder.state {
            state if state.is_terminal() => 1,
            TaskState::Running => 3,
            _ => 2,
        }),
        // What was made beside the holder is gone: it was stopped by a person.
        Standing::Failed(_) if holder.task.template_revision != rollout.target => {
            place.successor().is_none().then_some(4)
        }
        Standing::Current
        | Standing::Waiting
        | Standing::Open(_)
        | Standing::Updated(_)
        | Standing::Failed(_) => None,
    }
}
