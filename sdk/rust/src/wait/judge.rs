// SPDX-License-Identifier: Apache-2.0
//! Deciding when a wait is over: what is seen and the time go in, the next step comes out.
//! Neither a clock nor IO is in here.

use std::time::Duration;

use prost_types::Timestamp;
use tokio::time::Instant;

use super::attempts::Attempts;
use super::{Goal, Outcome, Sight};
use crate::v1::condition::Status;
use crate::v1::{Condition, Service};

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing is reached: look at what the watch brings.
    GoOn,
    /// All is as wanted. If the watch brings nothing until then, read the service and give it to
    /// [`Judge::read`].
    ReadAt(Instant),
    /// The wait is over.
    End(Outcome),
}

/// That a service has converged, as it says itself.
#[derive(Debug, Clone, PartialEq)]
struct Claim {
    spec_revision: u64,
    /// When it began to hold: another time means that there was a break.
    since: Option<Timestamp>,
}

/// A claim, and since when it is watched.
#[derive(Debug, Clone)]
struct Hold {
    claim: Claim,
    since: Instant,
}

/// Judges what is seen of a service.
///
/// STALLED comes first, because it holds together with CONVERGED after an automatic rollback.
/// Then tasks that fail over and over. CONVERGED counts only once it was seen to hold for a time
/// without a break, for one revision of the spec; a read at the end of that time proves it.
#[derive(Debug)]
pub struct Judge {
    goal: Goal,
    stable_for: Duration,
    hold: Option<Hold>,
    attempts: Attempts,
}

impl Judge {
    /// For a goal; `stable_for` is the time for which CONVERGED has to hold.
    #[must_use]
    pub fn new(goal: Goal, stable_for: Duration) -> Self {
        Self {
            goal,
            stable_for,
            hold: None,
            attempts: Attempts::default(),
        }
    }

    /// Takes in what a watch shows.
    pub fn see(&mut self, sight: &Sight, now: Instant) -> Step {
        let Some(service) = &sight.service else {
            return Step::End(Outcome::Deleted);
        };
        let Goal::Converged { spec_revision } = self.goal else {
            return Step::GoOn;
        };
        if let Some(condition) = holds(service, "STALLED", spec_revision) {
            return Step::End(Outcome::Stalled(condition.clone()));
        }
        let failing = self.attempts.see(sight, spec_revision, self.stable_for);
        if !failing.is_empty() {
            return Step::End(Outcome::CrashLoop(failing));
        }
        let claim = claim(service, spec_revision);
        if claim.is_some() && (self.stable_for.is_zero() || !runs(service)) {
            return Step::End(Outcome::Converged);
        }
        self.watch(claim, now)
    }

    /// Takes in the service, read after the time that [`Step::ReadAt`] named.
    pub fn read(&mut self, service: &Service, now: Instant) -> Step {
        let Goal::Converged { spec_revision } = self.goal else {
            return Step::GoOn;
        };
        let claim = claim(service, spec_revision);
        let is_proven = self.hold.as_ref().is_some_and(|hold| {
            Some(&hold.claim) == claim.as_ref()
                && now.saturating_duration_since(hold.since) >= self.stable_for
        });
        if is_proven {
            return Step::End(Outcome::Converged);
        }
        self.watch(claim, now)
    }

    /// The service could not be read: what was seen of it before proves nothing.
    pub fn unread(&mut self, now: Instant) -> Step {
        let claim = self.hold.take().map(|hold| hold.claim);
        self.watch(claim, now)
    }

    /// Goes on watching the same claim, or begins anew with another.
    fn watch(&mut self, claim: Option<Claim>, now: Instant) -> Step {
        let before = self.hold.take();
        let Some(claim) = claim else {
            return Step::GoOn;
        };
        let since = match before {
            Some(before) if before.claim == claim => before.since,
            _ => now,
        };
        self.hold = Some(Hold { claim, since });
        // Too long to be a point in time is as good as for ever.
        since
            .checked_add(self.stable_for)
            .map_or(Step::GoOn, Step::ReadAt)
    }
}

/// The condition, if it holds and was judged against the wanted spec or a later one.
fn holds<'a>(service: &'a Service, name: &str, spec_revision: u64) -> Option<&'a Condition> {
    let status = service.status.as_ref()?;
    status.conditions.iter().find(|condition| {
        condition.r#type == name
            && condition.status() == Status::True
            && condition.observed_spec_revision >= spec_revision
    })
}

fn claim(service: &Service, spec_revision: u64) -> Option<Claim> {
    holds(service, "CONVERGED", spec_revision).map(|condition| Claim {
        spec_revision: condition.observed_spec_revision,
        since: condition.transition_time,
    })
}

/// Whether there is anything that could end: tasks that have done their work cannot.
fn runs(service: &Service) -> bool {
    let status = service.status.as_ref();
    status.is_some_and(|status| status.running_tasks > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::ServiceStatus;

    const GOAL: Goal = Goal::Converged { spec_revision: 7 };
    const STABLE: Duration = Duration::from_secs(5);

    /// A service with one task that runs; the conditions hold since a second.
    fn service(conditions: &[(&str, u64, i64)]) -> Service {
        let condition = |(name, observed, since): &(&str, u64, i64)| Condition {
            r#type: (*name).into(),
            status: Status::True.into(),
            observed_spec_revision: *observed,
            transition_time: Some(Timestamp {
                seconds: *since,
                nanos: 0,
            }),
            ..Condition::default()
        };
        let status = ServiceStatus {
            conditions: conditions.iter().map(condition).collect(),
            desired_tasks: 1,
            running_tasks: 1,
            ..ServiceStatus::default()
        };
        Service {
            status: Some(status),
            ..Service::default()
        }
    }

    fn sight(conditions: &[(&str, u64, i64)]) -> Sight {
        Sight {
            service: Some(service(conditions)),
            ..Sight::default()
        }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn stalled_is_looked_at_first() {
        let mut judge = Judge::new(GOAL, STABLE);
        let both = sight(&[("CONVERGED", 7, 0), ("STALLED", 7, 0)]);
        let step = judge.see(&both, Instant::now());
        assert!(matches!(step, Step::End(Outcome::Stalled(_))), "{step:?}");
        let old = sight(&[("STALLED", 5, 0)]);
        assert_eq!(judge.see(&old, Instant::now()), Step::GoOn);
    }

    #[test]
    fn converged_counts_once_it_held_and_was_read_again() {
        let start = Instant::now();
        let mut judge = Judge::new(GOAL, STABLE);
        let there = [("CONVERGED", 7, 1)];
        let due = Step::ReadAt(after(start, 5));
        assert_eq!(judge.see(&sight(&there), start), due);
        assert_eq!(judge.see(&sight(&there), after(start, 3)), due);
        // What the watch shows may be late, so that alone ends nothing.
        assert_eq!(judge.see(&sight(&there), after(start, 9)), due);
        assert_eq!(judge.read(&service(&there), after(start, 4)), due);
        let end = judge.read(&service(&there), after(start, 5));
        assert_eq!(end, Step::End(Outcome::Converged));
    }

    #[test]
    fn every_break_begins_the_time_anew() {
        let start = Instant::now();
        for broken in [
            // Seen by the watch.
            &[sight(&[]), sight(&[("CONVERGED", 7, 3)])][..],
            // Between two frames: only the time since when it holds shows it.
            &[sight(&[("CONVERGED", 7, 3)])],
            // Another change of the spec.
            &[sight(&[("CONVERGED", 8, 1)])],
        ] {
            let mut judge = Judge::new(GOAL, STABLE);
            judge.see(&sight(&[("CONVERGED", 7, 1)]), start);
            let steps: Vec<Step> = broken
                .iter()
                .map(|sight| judge.see(sight, after(start, 4)))
                .collect();
            assert_eq!(steps.last(), Some(&Step::ReadAt(after(start, 9))));
        }
    }

    #[test]
    fn a_read_that_shows_a_break_or_fails_begins_anew() {
        let start = Instant::now();
        let mut judge = Judge::new(GOAL, STABLE);
        judge.see(&sight(&[("CONVERGED", 7, 1)]), start);
        let again = judge.read(&service(&[("CONVERGED", 7, 4)]), after(start, 5));
        assert_eq!(again, Step::ReadAt(after(start, 10)));
        assert_eq!(
            judge.unread(after(start, 10)),
            Step::ReadAt(after(start, 15))
        );
        assert_eq!(judge.read(&service(&[]), after(start, 15)), Step::GoOn);
        assert_eq!(judge.unread(after(start, 15)), Step::GoOn);
    }

    #[test]
    fn only_a_judgement_of_the_wanted_spec_counts() {
        let mut judge = Judge::new(GOAL, Duration::ZERO);
        let now = Instant::now();
        assert_eq!(judge.see(&sight(&[("CONVERGED", 6, 1)]), now), Step::GoOn);
        let mut unlike = sight(&[("CONVERGED", 8, 1)]);
        for status in [Status::False, Status::Unknown] {
            let service = unlike.service.as_mut().unwrap();
            service.status.as_mut().unwrap().conditions[0].status = status.into();
            assert_eq!(judge.see(&unlike, now), Step::GoOn);
        }
        let end = judge.see(&sight(&[("CONVERGED", 8, 1)]), now);
        assert_eq!(end, Step::End(Outcome::Converged));
    }

    #[test]
    fn what_has_no_task_that_runs_needs_no_time() {
        let mut judge = Judge::new(GOAL, STABLE);
        let mut done = sight(&[("CONVERGED", 7, 1)]);
        let status = done.service.as_mut().unwrap().status.as_mut().unwrap();
        status.running_tasks = 0;
        let end = judge.see(&done, Instant::now());
        assert_eq!(end, Step::End(Outcome::Converged));
    }

    #[test]
    fn a_service_that_is_gone_ends_every_wait() {
        let gone = Sight::default();
        let now = Instant::now();
        for goal in [GOAL, Goal::Deleted] {
            let end = Judge::new(goal, STABLE).see(&gone, now);
            assert_eq!(end, Step::End(Outcome::Deleted));
        }
        let there = sight(&[("CONVERGED", 7, 1)]);
        let mut judge = Judge::new(Goal::Deleted, STABLE);
        assert_eq!(judge.see(&there, now), Step::GoOn);
    }
}
