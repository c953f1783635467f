// SPDX-License-Identifier: Apache-2.0
//! Rollouts that go back.

use super::*;

fn fails(case: &mut Case) -> String {
    case.policy(|it| it.on_failure = Some(OnFailure::Rollback));
    case.new_template("bad");
    let mut story = case.tell("a new template");
    story += &through(case, "web.1");
    case.observe("web.1", TaskState::Failed);
    story += &case.tell("it fails");
    story
}

#[test]
fn failures_lead_back_to_what_was_good() {
    let mut case = running(1, 3);
    let mut story = fails(&mut case);
    assert!(!case.holds("STALLED"));
    slot(&mut case, "web.1", TaskState::Running);
    story += &case.tell("the good one runs again");
    case.pass_ms(5_000);
    story += &case.tell("and goes on running");
    let (holds, reason, message) = case.fact("STALLED");
    assert!(holds && reason == "ROLLED_BACK", "{reason}");
    let id = case.task_of("web.1", 2).meta.id;
    let good = case.versions[0];
    assert_eq!(
        message,
        format!("rollback to revision {good}: task web.1 {id} failed")
    );
    assert!(case.holds("CONVERGED"));
    // The next change of the spec is another matter.
    case.scale(4);
    case.settle();
    assert!(!case.holds("STALLED"));
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 3\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- web.1#2 is ready\n\
         stop web.1#1\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run web.1#2\n\
         wake at 600000 ms\n\
         -- web.1#2 runs\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 3\n\
         make 2#2 v2: prepare\n\
         wake at 5000 ms\n\
         -- it fails\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 3\n\
         fail web.1#2\n\
         back to v1 TASK_FAILED\n\
         wake at 600000 ms\n\
         rollout ROLLING_BACK TASK_FAILED: 0 done, 1 open, 0 failed of 1\n\
         stop web.1#2\n\
         make 1#3 v1: run\n\
         stop web.2#2\n\
         wake at 600000 ms\n\
         -- the good one runs again\n\
         rollout ROLLING_BACK TASK_FAILED: 0 done, 1 open, 0 failed of 1, next at 5000 ms\n\
         wake at 5000 ms\n\
         -- and goes on running\n\
         rollout ROLLED_BACK TASK_FAILED: 1 done, 0 open, 0 failed of 1\n\
         pass web.1#3\n"
    );
}

/// Somebody went back from the second revision to the first: what fails after that does not lead
/// to the second again.
#[test]
fn nothing_leads_back_to_what_was_gone_back_from() {
    let mut case = running(1, 1);
    case.new_template("second");
    let finish = |case: &mut Case| {
        case.settle();
        case.pass_ms(5_000);
        case.settle();
    };
    finish(&mut case);
    case.steer(RolloutAction::RollBack(None));
    finish(&mut case);
    assert!(case.holds("CONVERGED"));
    let _ = fails(&mut case);
    finish(&mut case);
    let message = case.fact("STALLED").2;
    let first = case.versions[0];
    assert!(
        message.starts_with(&format!("rollback to revision {first}: ")),
        "{message}"
    );
    assert!(case.holds("CONVERGED"));
    // Going back further by request goes on from there.
    case.steer(RolloutAction::RollBack(Some(case.versions[1])));
    finish(&mut case);
    assert!(case.holds("CONVERGED") && !case.holds("STALLED"));
}

#[test]
fn a_scale_on_the_way_back_does_not_hide_it() {
    let mut case = running(1, 2);
    let _ = fails(&mut case);
    case.scale(3);
    case.settle();
    case.pass_ms(5_000);
    case.settle();
    assert_eq!(case.fact("STALLED").1, "ROLLED_BACK");
}

#[test]
fn a_rollback_that_a_person_asks_for_as_well_has_not_failed() {
    let mut case = running(1, 3);
    let _ = fails(&mut case);
    case.steer(RolloutAction::RollBack(None));
    let service = case.world.state.service(case.service).expect("it is there");
    let rollout = service.rollout.as_ref().expect("it goes back");
    assert_eq!(
        (rollout.state, &*rollout.reason, rollout.automatic),
        (RolloutState::RollingBack, "REQUESTED", false)
    );
    case.settle();
    case.pass_ms(5_000);
    case.settle();
    assert!(case.holds("CONVERGED") && !case.holds("STALLED"));
}

#[test]
fn a_rollback_that_fails_pauses() {
    let mut case = running(1, 3);
    let _ = fails(&mut case);
    slot(&mut case, "web.1", TaskState::Failed);
    let mut story = case.tell("the good one fails as well");
    assert_eq!(case.fact("STALLED").1, "ROLLBACK_PAUSED");
    case.steer(RolloutAction::Resume);
    story += &case.tell("resumed");
    case.settle();
    case.pass_ms(5_000);
    story += &case.tell("it works now");
    // A person asked for it.
    assert_eq!(case.fact("STALLED").1, "");
    assert_eq!(
        story,
        "-- the good one fails as well\n\
         rollout ROLLBACK_PAUSED TASK_FAILED: 0 done, 0 open, 1 failed of 1\n\
         fail web.1#3\n\
         stop web.1#3\n\
         make 1#4 v1: run at 1000 ms, streak 1\n\
         wake at 1000 ms\n\
         -- resumed\n\
         rollout ROLLING_BACK: 0 done, 1 open, 0 failed of 1\n\
         stop web.1#4\n\
         make 1#5 v1: run\n\
         wake at 600000 ms\n\
         -- it works now\n\
         rollout ROLLED_BACK: 1 done, 0 open, 0 failed of 1\n\
         pass web.1#5\n"
    );
}

#[test]
fn without_anything_to_go_back_to_it_pauses() {
    let mut case = Case::new(1, replicated("web", 1));
    case.policy(|it| it.on_failure = Some(OnFailure::Rollback));
    case.new_template("first");
    case.settle();
    let only = case.versions[0];
    let service = case.service;
    case.world.apply([crate::state::Write::DropTemplate {
        service,
        revision: only,
    }]);
    case.observe("web.1", TaskState::Failed);
    let story = case.tell("it fails");
    assert!(
        case.fact("STALLED")
            .2
            .ends_with("no earlier revision to go back to")
    );
    assert_eq!(
        story,
        "-- it fails\n\
         rollout PAUSED TASK_FAILED: 0 done, 0 open, 1 failed of 1\n\
         fail web.1#1\n\
         stop web.1#1\n\
         make 1#2 v2: run at 1000 ms, streak 1\n\
         wake at 1000 ms\n"
    );
}

#[test]
fn a_port_that_is_taken_meanwhile_stands_in_the_way() {
    let mut spec = replicated("web", 1);
    spec.ports = vec![crate::testing::tcp(80, 8080, PortMode::Ingress)];
    let mut case = Case::running(1, spec);
    case.policy(|it| it.on_failure = Some(OnFailure::Rollback));
    case.update(|spec| {
        spec.ports[0].published = 8081;
        Arc::make_mut(&mut spec.template).restart_token = "bad".to_owned();
    });
    let _ = case.tell("a new template, and another port");
    case.world.create_service(ServiceSpec {
        ports: vec![crate::testing::tcp(80, 8080, PortMode::Ingress)],
        ..replicated("other", 0)
    });
    slot(&mut case, "web.1", TaskState::Rejected);
    let story = case.tell("it fails");
    let message = case.fact("STALLED").2;
    assert!(
        message.contains("whose port 8080/tcp service \"other\" publishes now"),
        "{message}"
    );
    assert_eq!(
        story,
        "-- it fails\n\
         rollout PAUSED TASK_FAILED: 0 done, 0 open, 1 failed of 1\n\
         fail web.1#2\n\
         stop web.1#2\n"
    );
}

#[test]
fn going_back_leaves_alone_what_was_not_changed() {
    let mut case = running(1, 3);
    case.policy(|it| it.parallelism = Some(2));
    case.new_template("new");
    let mut story = case.tell("a new template");
    story += &through(&mut case, "web.1");
    case.steer(RolloutAction::RollBack(None));
    story += &case.tell("rolled back by request");
    case.settle();
    case.pass_ms(5_000);
    story += &case.tell("5 s later");
    assert!(case.holds("CONVERGED") && !case.holds("STALLED"));
    let first = |name: &str| case.task(name).attempt;
    assert_eq!(["web.1", "web.2", "web.3"].map(first), [3, 2, 2]);
    assert_eq!(case.task("web.2").status.state, TaskState::Stopped);
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 3\n\
         make 1#2 v2: prepare\n\
         make 2#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- web.1#2 is ready\n\
         stop web.1#1\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run web.1#2\n\
         wake at 600000 ms\n\
         -- web.1#2 runs\n\
         rollout UPDATING: 0 done, 3 open, 0 failed of 3\n\
         make 3#2 v2: prepare\n\
         wake at 5000 ms\n\
         -- rolled back by request\n\
         rollout ROLLING_BACK REQUESTED: 0 done, 1 open, 0 failed of 1\n\
         stop web.2#2\n\
         stop web.3#2\n\
         make 1#3 v1: prepare\n\
         wake at 600000 ms\n\
         -- 5 s later\n\
         rollout ROLLED_BACK REQUESTED: 1 done, 0 open, 0 failed of 1\n\
         pass web.1#3\n"
    );
}
