// SPDX-License-Identifier: Apache-2.0
//! What is forgotten, and when.

use std::sync::Arc;

use crate::model::*;
use crate::state::Write;
use crate::testing::replicated;

use super::Case;

fn keep(case: &mut Case, task_history: u32) {
    case.world.apply([Write::PutSwarm {
        id: SwarmId(1),
        spec: Arc::new(SwarmSpec {
            task_history: Some(task_history),
            ..SwarmSpec::default()
        }),
    }]);
}

fn fail(case: &mut Case) -> String {
    case.observe("web.1", TaskState::Failed);
    let text = case.plan();
    case.pass_ms(60_000);
    case.settle();
    text
}

#[test]
fn a_slot_keeps_so_many_attempts() {
    let mut case = Case::running(1, replicated("web", 1));
    keep(&mut case, 2);
    for _ in 0..2 {
        assert!(!fail(&mut case).contains("delete"));
    }
    assert!(fail(&mut case).contains("delete web.1#1"));
    assert!(fail(&mut case).contains("delete web.1#2"));
    // Less history takes effect at once.
    keep(&mut case, 0);
    assert_eq!(
        case.plan(),
        "delete web.1#4\n\
         delete web.1#3\n\
         wake at 245000 ms"
    );
}

#[test]
fn without_history_the_last_word_is_kept() {
    let mut spec = replicated("web", 1);
    Arc::make_mut(&mut spec.template).restart.condition = Some(RestartCondition::None);
    let mut case = Case::running(1, spec);
    keep(&mut case, 0);
    case.observe("web.1", TaskState::Failed);
    assert_eq!(case.plan(), "settle web.1#1 GaveUp");
    assert!(case.holds("STALLED"));
}

#[test]
fn the_last_revisions_are_kept_and_those_that_tasks_have() {
    let mut case = Case::running(1, replicated("web", 2));
    let present = || UpdatePolicy {
        parallelism: Some(0),
        monitor: Some(std::time::Duration::ZERO),
        ..UpdatePolicy::default()
    };
    case.update(|spec| spec.update = Some(present()));
    keep(&mut case, 0);
    let revisions = |case: &Case| case.world.state.templates(case.service).count();
    for number in 2..=11 {
        case.new_template(&number.to_string());
        case.settle();
        assert_eq!(revisions(&case), number);
    }
    // Tasks have version 11, and it is good.
    for number in 12..=13 {
        case.new_template(&number.to_string());
        assert!(case.plan().contains(&format!("drop v{}", number - 11)));
        assert_eq!(revisions(&case), 11);
    }
}

#[test]
fn the_newest_good_revision_is_kept() {
    let mut case = Case::running(1, replicated("web", 0));
    case.scale(1);
    case.settle();
    case.pass_ms(5_000);
    assert_eq!(case.plan(), "good v1");
    for number in 2..=20 {
        case.new_template(&number.to_string());
        let _ = case.plan();
    }
    let kept: Vec<Revision> = case
        .world
        .state
        .templates(case.service)
        .map(|it| it.0)
        .collect();
    assert_eq!(kept.len(), 12);
    assert_eq!(kept[0], case.versions[0]);
}

#[test]
fn a_service_goes_when_its_last_task_has_stopped() {
    let mut case = Case::running(3, replicated("web", 4));
    case.observe("web.1", TaskState::Failed);
    let _ = case.apply_plan();
    case.set_node(3, NodeState::Down);
    let service = case.service;
    case.world.apply([Write::MarkServiceDeleting { service }]);
    // 1: an attempt that failed and one without a node; 3: on the node that is down.
    assert_eq!(
        case.plan(),
        "delete web.1#1\n\
         delete web.1#2\n\
         remove web.2#1\n\
         delete web.3#1\n\
         remove web.4#1"
    );
    case.observe("web.2", TaskState::Stopped);
    assert_eq!(case.plan(), "delete web.2#1");
    case.observe("web.4", TaskState::Stopped);
    assert_eq!(
        case.plan(),
        "delete web.4#1\n\
         delete service"
    );
    assert!(case.world.state.service(service).is_none());
    assert_eq!(case.world.state.task_count(), 0);
}

#[test]
fn a_service_without_tasks_goes_at_once() {
    let mut case = Case::new(1, replicated("web", 3));
    let service = case.service;
    case.world.apply([Write::MarkServiceDeleting { service }]);
    assert_eq!(case.plan(), "delete service");
}
