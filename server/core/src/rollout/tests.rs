// SPDX-License-Identifier: Apache-2.0
//! The table of states, and what is decided by counts and times.

use std::time::Duration;

use proptest::prelude::*;

use crate::model::*;

use super::*;

const EVENTS: [Event; 5] = [
    Event::Pause,
    Event::Resume,
    Event::RollBack,
    Event::TooManyFailed,
    Event::AllChanged,
];

#[test]
fn the_table_of_states() {
    let mut table = String::new();
    let states = RolloutState::ALL.into_iter().map(Some);
    for state in std::iter::once(None).chain(states) {
        let name = |state: Option<RolloutState>| state.map_or("-", RolloutState::as_str);
        let next = EVENTS.map(|event| name(next(state, event)));
        table += &format!("{}: {}\n", name(state), next.join(" "));
    }
    assert_eq!(
        table,
        "-: - - ROLLING_BACK - -\n\
         UPDATING: PAUSED UPDATING ROLLING_BACK PAUSED COMPLETED\n\
         PAUSED: PAUSED UPDATING ROLLING_BACK - -\n\
         COMPLETED: - - ROLLING_BACK - -\n\
         ROLLING_BACK: ROLLBACK_PAUSED ROLLING_BACK ROLLING_BACK ROLLBACK_PAUSED ROLLED_BACK\n\
         ROLLBACK_PAUSED: ROLLBACK_PAUSED ROLLING_BACK ROLLING_BACK - -\n\
         ROLLED_BACK: - - ROLLING_BACK - -\n"
    );
}

fn policy(on_failure: OnFailure, max_failure_percent: u32) -> UpdatePolicy {
    UpdatePolicy {
        on_failure: Some(on_failure),
        max_failure_percent,
        ..UpdatePolicy::default()
    }
}

fn counts(total: u32, updated: u32, updating: u32, failed: u32) -> RolloutCounts {
    RolloutCounts {
        total,
        updated,
        updating,
        failed,
    }
}

#[test]
fn failures_act_by_the_policy() {
    use RolloutState::{Completed, Paused, RollbackPaused, RolledBack, RollingBack, Updating};
    let one = counts(4, 1, 1, 1);
    let cases = [
        (
            Updating,
            policy(OnFailure::Pause, 0),
            one,
            Decision::Come(Paused),
        ),
        (
            Updating,
            policy(OnFailure::Pause, 24),
            one,
            Decision::Come(Paused),
        ),
        (Updating, policy(OnFailure::Pause, 25), one, Decision::Stay),
        (
            Updating,
            policy(OnFailure::Continue, 0),
            one,
            Decision::Stay,
        ),
        (
            Updating,
            policy(OnFailure::Rollback, 0),
            one,
            Decision::GoBack,
        ),
        (
            RollingBack,
            policy(OnFailure::Rollback, 0),
            one,
            Decision::Come(RollbackPaused),
        ),
        (
            RollingBack,
            policy(OnFailure::Continue, 0),
            one,
            Decision::Stay,
        ),
        (Paused, policy(OnFailure::Rollback, 0), one, Decision::Stay),
        (
            Updating,
            policy(OnFailure::Pause, 0),
            counts(0, 0, 0, 0),
            Decision::Come(Completed),
        ),
        (
            RollingBack,
            policy(OnFailure::Pause, 50),
            counts(4, 2, 0, 2),
            Decision::Come(RolledBack),
        ),
        (Completed, policy(OnFailure::Pause, 0), one, Decision::Stay),
    ];
    for (state, policy, counts, wanted) in cases {
        assert_eq!(
            decide(state, &policy, counts, 0),
            wanted,
            "{state:?} {policy:?}"
        );
    }
    let all = counts(4, 3, 0, 0);
    let policy = policy(OnFailure::Pause, 0);
    assert_eq!(decide(Updating, &policy, all, 1), Decision::Stay);
}

fn judged(state: TaskState, turn_over: Option<i64>, now: i64, is_paused: bool) -> Judgement {
    let watch = Watch {
        leg_time: Timestamp::from_millis(10_000),
        is_paused,
        heard_since: Some(Timestamp::from_millis(-60_000)),
        heard_by: Timestamp::from_millis(-45_000),
    };
    judged_by(watch, state, turn_over, now)
}

fn judged_by(watch: Watch, state: TaskState, turn_over: Option<i64>, now: i64) -> Judgement {
    let policy = UpdatePolicy {
        progress_deadline: Some(Duration::from_secs(60)),
        ..UpdatePolicy::default()
    };
    let step = RolloutStep {
        leg: Revision(1),
        begun: Timestamp::from_millis(0),
        turn_over: turn_over.map(Timestamp::from_millis),
        overlaps: false,
        verdict: None,
    };
    let proof = Proof {
        state,
        ..Proof::NONE
    };
    judge(&policy, &step, proof, watch, Timestamp::from_millis(now))
}

#[test]
fn a_step_is_judged_by_its_times() {
    use TaskState::{Completed, Failed, Orphaned, Pending, Rejected, Running, Stopped};
    let at = |millis| Judgement::Open(Some(Timestamp::from_millis(millis)));
    assert_eq!(judged(Running, Some(3_000), 7_999, false), at(8_000));
    assert_eq!(judged(Running, Some(3_000), 8_000, true), Judgement::Passed);
    // The deadline counts from the beginning of the leg, if that is later.
    assert_eq!(judged(Pending, None, 69_999, false), at(70_000));
    assert_eq!(judged(Pending, None, 70_000, false), Judgement::Late);
    assert_eq!(judged(Pending, None, 70_000, true), Judgement::Open(None));
    for ended in [Completed, Failed, Rejected] {
        assert_eq!(judged(ended, Some(0), 1, false), Judgement::Ended);
    }
    for lost in [Stopped, Orphaned] {
        assert_eq!(judged(lost, Some(0), 90_000, false), Judgement::Open(None));
    }
}

#[test]
fn what_went_by_while_nobody_led_proves_nothing() {
    use TaskState::{Failed, Pending, Running};
    let at = |millis| Judgement::Open(Some(Timestamp::from_millis(millis)));
    let new = Watch {
        leg_time: Timestamp::from_millis(0),
        is_paused: false,
        heard_since: Some(Timestamp::from_millis(100_000)),
        heard_by: Timestamp::from_millis(115_000),
    };
    let deaf = Watch {
        heard_since: None,
        ..new
    };
    let open = Judgement::Open(None);
    // The trial begins again under the eyes of the new leader, who has to hear the node first.
    assert_eq!(judged_by(new, Running, Some(3_000), 104_999), at(105_000));
    let passed = judged_by(new, Running, Some(3_000), 105_000);
    assert_eq!(passed, Judgement::Passed);
    assert_eq!(judged_by(deaf, Running, Some(3_000), 900_000), open);
    // Nor is a task late of which there was no way to hear.
    assert_eq!(judged_by(new, Pending, None, 114_999), at(115_000));
    assert_eq!(judged_by(new, Pending, None, 115_000), Judgement::Late);
    assert_eq!(judged_by(deaf, Pending, None, 900_000), open);
    // An end is an end, whoever heard of it.
    let failed = judged_by(deaf, Failed, Some(3_000), 100_000);
    assert_eq!(failed, Judgement::Ended);
    // What the clock of another leader wrote ahead of this one counts from when this one began.
    assert_eq!(judged_by(new, Running, Some(300_000), 104_999), at(105_000));
    assert_eq!(
        judged_by(new, Running, Some(300_000), 105_000),
        Judgement::Passed
    );
}

proptest! {
    #[test]
    fn what_is_decided_is_in_the_table(
        place in 0usize..6,
        percent in 0u32..=100,
        (updated, updating, failed, left) in (0u32..5, 0u32..5, 0u32..5, 0u32..5),
        failing in 0usize..3,
    ) {
        let state = RolloutState::ALL[place];
        let actions = [OnFailure::Pause, OnFailure::Continue, OnFailure::Rollback];
        let policy = policy(actions[failing], percent);
        let total = updated + updating + failed + left;
        let counts = counts(total, updated, updating, failed);
        let bears = !is_too_many(failed, total, percent) || failing == 1;
        match decide(state, &policy, counts, left) {
            Decision::Stay => {
                prop_assert!(!state.is_going() || (bears && left + updating > 0));
            }
            Decision::GoBack => prop_assert!(state == RolloutState::Updating && !bears),
            Decision::Come(to) if to.is_paused() => prop_assert!(state.is_going() && !bears),
            Decision::Come(to) => {
                prop_assert!(to.is_over() && state.is_going() && bears);
                prop_assert_eq!(left + updating, 0);
            }
        }
    }
}
