// SPDX-License-Identifier: Apache-2.0
//! What a shim does next: the one place where it decides, without doing anything itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_core::model::Timestamp;

/// Time since the shim began, by a clock that never steps.
pub(super) type Age = Duration;

/// Between two blows at processes that are still there.
const KILL_AGAIN: Duration = Duration::from_millis(20);
/// After this the shim reports the end although killed processes have not gone: they hang in
/// the kernel.
const GIVE_UP_KILLING: Duration = Duration::from_secs(10);
/// How long output is read after the last process went: somebody else may hold the pipe.
const GIVE_UP_READING: Duration = Duration::from_secs(1);

/// The order to end a task, as the daemon leaves it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct StopOrder {
    /// Number of the signal to begin with.
    pub(crate) signal: i32,
    /// From the signal to the kill.
    pub(crate) grace: Duration,
    /// When the order was given, in nanoseconds since 1970.
    pub(crate) ordered: i64,
}

impl StopOrder {
    /// An order given now.
    pub(crate) fn new(signal: i32, grace: Duration, now: Timestamp) -> Self {
        StopOrder {
            signal,
            grace,
            ordered: now.0,
        }
    }

    /// When the grace is over.
    fn deadline(&self) -> Timestamp {
        Timestamp(self.ordered).after(self.grace)
    }

    /// This order, if `earlier` was given before: its grace ends no later than that one's.
    pub(crate) fn after(self, earlier: StopOrder) -> Self {
        let left = earlier.deadline().since(Timestamp(self.ordered));
        StopOrder {
            grace: self.grace.min(left),
            ..self
        }
    }
}

/// What to do next.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Send this signal to the main process, then ask again.
    Signal(i32),
    /// Kill every process there is, then ask again.
    KillAll,
    /// Wait for something to happen, but not past this age.
    Wait(Option<Age>),
    /// All is over: write it down.
    Finish,
}

/// How far a task is from its shim's point of view.
#[derive(Default)]
pub(super) struct Course {
    order: Option<(StopOrder, Age)>,
    to_send: Option<i32>,
    /// The grace was over while the main process was there.
    killed: bool,
    last_kill: Option<Age>,
    ended: Option<Age>,
    childless: Option<Age>,
    silent: bool,
}

impl Course {
    /// The daemon has ordered the end, and the wall clock shows `wall`. Repeated orders send
    /// another signal only if they name another, and never give more time.
    pub(super) fn ordered(&mut self, order: StopOrder, now: Age, wall: Timestamp) {
        // The order is as old as the wall clock says, unless that has stepped.
        let left = order.deadline().since(wall).min(order.grace);
        let due = now + left;
        self.order = match self.order {
            None => {
                self.to_send = Some(order.signal);
                Some((order, due))
            }
            Some((old, old_due)) => {
                if old.signal != order.signal {
                    self.to_send = Some(order.signal);
                }
                Some((order, due.min(old_due)))
            }
        };
    }

    /// The main process has ended.
    pub(super) fn main_ended(&mut self, now: Age) {
        self.ended = Some(now);
    }

    /// Whether there are other processes left to collect.
    pub(super) fn children(&mut self, some: bool, now: Age) {
        self.childless = if some {
            None
        } else {
            self.childless.or(Some(now))
        };
    }

    /// Both pipes have ended.
    pub(super) fn silent(&mut self) {
        self.silent = true;
    }

    /// The order, if the task was ordered to end.
    pub(super) fn order(&self) -> Option<StopOrder> {
        self.order.map(|(order, _)| order)
    }

    /// Whether its main process had to be killed.
    pub(super) fn was_killed(&self) -> bool {
        self.killed
    }

    /// Whether killed processes are still there at the end.
    pub(super) fn left_some(&self) -> bool {
        self.childless.is_none()
    }

    /// What to do next, at age `now`.
    pub(super) fn next(&mut self, now: Age) -> Step {
        match self.ended {
            None => self.running(now),
            Some(ended) => self.ending(ended, now),
        }
    }

    fn running(&mut self, now: Age) -> Step {
        if let Some(signal) = self.to_send.take() {
            return Step::Signal(signal);
        }
        let Some((_, due)) = self.order else {
            return Step::Wait(None);
        };
        if now < due {
            return Step::Wait(Some(due));
        }
        self.killed = true;
        self.kill(now)
    }

    fn ending(&mut self, ended: Age, now: Age) -> Step {
        if let Some(childless) = self.childless {
            let patience = childless + GIVE_UP_READING;
            return if self.silent || now >= patience {
                Step::Finish
            } else {
                Step::Wait(Some(patience))
            };
        }
        if now >= ended + GIVE_UP_KILLING {
            Step::Finish
        } else {
            self.kill(now)
        }
    }

    /// A blow, unless the last one was just now.
    fn kill(&mut self, now: Age) -> Step {
        match self.last_kill {
            Some(last) if now < last + KILL_AGAIN => Step::Wait(Some(last + KILL_AGAIN)),
            _ => {
                self.last_kill = Some(now);
                Step::KillAll
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: Timestamp = Timestamp::from_millis(1_000_000);

    fn secs(secs: u64) -> Age {
        Duration::from_secs(secs)
    }

    fn order(signal: i32, grace: u64) -> StopOrder {
        StopOrder {
            signal,
            grace: secs(grace),
            ordered: WALL.0,
        }
    }

    #[test]
    fn a_task_that_runs_is_left_alone() {
        let mut course = Course::default();
        assert_eq!(course.next(secs(9)), Step::Wait(None));
        course.children(true, secs(9));
        assert_eq!(course.next(secs(10)), Step::Wait(None));
    }

    #[test]
    fn a_stop_sends_the_signal_once_waits_for_the_grace_and_then_kills() {
        let mut course = Course::default();
        course.ordered(order(15, 10), secs(5), WALL);
        assert_eq!(course.next(secs(5)), Step::Signal(15));
        assert_eq!(course.next(secs(5)), Step::Wait(Some(secs(15))));
        assert!(!course.was_killed());
        assert_eq!(course.next(secs(15)), Step::KillAll);
        assert!(course.was_killed());
        assert_eq!(
            course.next(secs(15)),
            Step::Wait(Some(secs(15) + KILL_AGAIN))
        );
        assert_eq!(course.next(secs(16)), Step::KillAll, "it is still there");
    }

    #[test]
    fn ending_in_time_is_not_being_killed() {
        let mut course = Course::default();
        course.ordered(order(15, 10), secs(5), WALL);
        course.next(secs(5));
        course.main_ended(secs(7));
        course.children(false, secs(7));
        course.silent();
        assert_eq!(course.next(secs(7)), Step::Finish);
        assert!(!course.was_killed() && !course.left_some());
    }

    #[test]
    fn an_order_found_late_has_only_the_rest_of_its_grace() {
        let mut course = Course::default();
        course.ordered(order(15, 10), secs(0), WALL.after(secs(4)));
        course.next(secs(0));
        assert_eq!(course.next(secs(0)), Step::Wait(Some(secs(6))));

        let mut course = Course::default();
        course.ordered(order(15, 10), secs(0), WALL.after(secs(4_000)));
        assert_eq!(
            course.next(secs(0)),
            Step::Signal(15),
            "never killed without a word"
        );
        assert_eq!(course.next(secs(0)), Step::KillAll);
    }

    #[test]
    fn a_clock_that_stepped_back_gives_no_more_than_the_grace() {
        let mut course = Course::default();
        course.ordered(order(15, 10), secs(0), Timestamp(0));
        course.next(secs(0));
        assert_eq!(course.next(secs(0)), Step::Wait(Some(secs(10))));
    }

    #[test]
    fn further_orders_only_bring_the_end_nearer() {
        let mut course = Course::default();
        course.ordered(order(15, 10), secs(0), WALL);
        assert_eq!(course.next(secs(0)), Step::Signal(15));
        course.ordered(order(15, 100), secs(1), WALL);
        assert_eq!(
            course.next(secs(1)),
            Step::Wait(Some(secs(10))),
            "no more time"
        );
        course.ordered(order(15, 2), secs(1), WALL);
        assert_eq!(
            course.next(secs(1)),
            Step::Wait(Some(secs(3))),
            "less time, no new signal"
        );
        course.ordered(order(2, 100), secs(1), WALL);
        assert_eq!(course.next(secs(1)), Step::Signal(2), "another signal");
        assert_eq!(course.next(secs(1)), Step::Wait(Some(secs(3))));
    }

    #[test]
    fn an_order_on_disk_never_gives_more_time_than_the_one_before() {
        let first = StopOrder::new(15, secs(10), WALL);
        let later = WALL.after(secs(4));
        assert_eq!(
            StopOrder::new(9, secs(0), later).after(first).grace,
            secs(0)
        );
        assert_eq!(
            StopOrder::new(15, secs(60), later).after(first).grace,
            secs(6)
        );
        let much_later = WALL.after(secs(99));
        assert_eq!(
            StopOrder::new(2, secs(60), much_later).after(first).grace,
            secs(0)
        );
    }

    #[test]
    fn what_the_main_process_leaves_is_killed_at_once() {
        let mut course = Course::default();
        course.main_ended(secs(3));
        assert_eq!(course.next(secs(3)), Step::KillAll);
        assert_eq!(course.next(secs(3)), Step::Wait(Some(secs(3) + KILL_AGAIN)));
        course.children(true, secs(4));
        assert_eq!(course.next(secs(4)), Step::KillAll);
        course.children(false, secs(5));
        course.silent();
        assert_eq!(course.next(secs(5)), Step::Finish);
        assert!(!course.was_killed(), "the main process ended by itself");
    }

    #[test]
    fn output_is_read_to_its_end_but_not_for_ever() {
        let mut course = Course::default();
        course.main_ended(secs(3));
        course.children(false, secs(3));
        assert_eq!(course.next(secs(3)), Step::Wait(Some(secs(4))));
        course.children(false, secs(4));
        assert_eq!(course.next(secs(4)), Step::Finish);
    }

    #[test]
    fn processes_that_cannot_be_killed_do_not_hide_the_end() {
        let mut course = Course::default();
        course.main_ended(secs(3));
        course.children(true, secs(3));
        assert_eq!(course.next(secs(12)), Step::KillAll);
        assert_eq!(course.next(secs(13)), Step::Finish);
        assert!(course.left_some());
    }
}
