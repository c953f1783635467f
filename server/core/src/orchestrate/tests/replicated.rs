// SPDX-License-Identifier: Apache-2.0
//! Slots: how many, which numbers, and which go first.

use crate::model::*;
use crate::testing::replicated;

use super::Case;

#[test]
fn slots_are_filled_from_one_up() {
    let mut case = Case::new(1, replicated("web", 3));
    assert_eq!(
        case.plan(),
        "make 1#1 v1: run\n\
         make 2#1 v1: run\n\
         make 3#1 v1: run"
    );
    assert_eq!(case.plan(), "");
}

#[test]
fn the_numbers_that_are_free_are_used_again() {
    let mut case = Case::running(3, replicated("web", 3));
    case.observe("web.1", TaskState::Failed);
    case.scale(2);
    assert_eq!(case.plan(), "delete web.1#1");
    case.scale(4);
    assert_eq!(
        case.plan(),
        "make 1#1 v1: run\n\
         make 4#1 v1: run"
    );
}

#[test]
fn what_does_not_run_goes_first() {
    let mut case = Case::new(3, replicated("web", 6));
    case.settle();
    let service = case.service;
    case.scale(9);
    let _ = case.world.reconcile(service);
    case.step();
    case.observe("web.8", TaskState::Preparing);
    case.observe("web.2", TaskState::Failed);
    let _ = case.world.reconcile(service);
    // 2 waits for its restart, 7 and 9 have a node only, 8 prepares.
    case.scale(6);
    assert_eq!(
        case.plan(),
        "delete web.2#1\n\
         delete web.2#2\n\
         remove web.9#1\n\
         remove web.7#1"
    );
}

#[test]
fn then_the_fullest_node_gives() {
    let mut case = Case::running(3, replicated("web", 5));
    // Nodes 1 and 2 have two tasks each: 1 and 4, 2 and 5.
    case.scale(3);
    assert_eq!(
        case.plan(),
        "remove web.5#1\n\
         remove web.4#1"
    );
    // As they stop they are forgotten.
    case.step();
    assert_eq!(
        case.plan(),
        "delete web.4#1\n\
         delete web.5#1"
    );
}

#[test]
fn a_slot_that_is_still_emptied_is_taken_but_not_run() {
    let mut case = Case::running(1, replicated("web", 2));
    case.scale(1);
    assert_eq!(case.plan(), "remove web.2#1");
    case.scale(2);
    assert_eq!(case.plan(), "make 2#2 v1: hold");
    let old = case.task_of("web.2", 1);
    case.world.observe(old.meta.id, TaskState::Stopped);
    assert_eq!(
        case.plan(),
        "run web.2#2\n\
         delete web.2#1"
    );
}

#[test]
fn no_replicas_are_no_tasks() {
    let mut case = Case::running(1, replicated("web", 1));
    case.scale(0);
    assert_eq!(case.plan(), "remove web.1#1");
    case.step();
    assert_eq!(case.plan(), "delete web.1#1");
    assert!(case.holds("CONVERGED"));
}

#[test]
fn what_does_not_fit_in_one_change_follows_in_the_next() {
    let mut case = Case::new(1, replicated("web", 25_000));
    let sizes: Vec<(usize, bool)> = std::iter::repeat_with(|| case.world.reconcile(case.service))
        .map(|plan| (plan.writes.len(), plan.more))
        .take(4)
        .collect();
    assert_eq!(
        sizes,
        [(9_998, true), (9_998, true), (5_004, true), (0, false)]
    );
}
