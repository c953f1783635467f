// SPDX-License-Identifier: Apache-2.0
//! Steering rollouts, and updates that find one.

use super::*;

fn token(text: &str) -> ServiceSpec {
    let mut spec = replicated("web", 2);
    Arc::make_mut(&mut spec.template).restart_token = text.to_owned();
    spec
}

fn stands(desk: &Desk) -> (RolloutState, Revision) {
    let service = desk.service("web");
    let rollout = service.rollout.as_ref().expect("it was updated");
    assert_eq!(rollout.target, service.template_revision);
    (rollout.state, rollout.target)
}

fn steer(desk: &mut Desk, action: RolloutAction) -> Result<bool, Rejection> {
    let service = desk.service("web");
    let admitted = control_rollout(&desk.world.state, &service, action, None, &desk.ctx)?;
    Ok(desk.settle(admitted).1)
}

#[test]
fn a_template_that_tasks_still_have_is_not_rolled_out_to_them_again() {
    let mut desk = Desk::new();
    let web = desk.create(token("one")).expect("it is free");
    desk.task_on(&web, 1, NodeId(1));
    assert_eq!(desk.update(token("two")), Ok(true));
    assert_eq!(desk.update(token("one")), Ok(true));
    assert_eq!(
        stands(&desk),
        (RolloutState::Updating, web.template_revision)
    );
    // What no task has is another revision, though it says the same.
    assert_eq!(desk.update(token("two")), Ok(true));
    assert_eq!(stands(&desk).1, desk.service("web").meta.spec_revision);
}

#[test]
fn an_equal_spec_resumes_what_is_paused_and_writes_nothing_else() {
    let mut desk = Desk::new();
    desk.create(token("one")).expect("it is free");
    assert_eq!(desk.update(token("two")), Ok(true));
    assert_eq!(desk.update(token("two")), Ok(false));
    assert_eq!(steer(&mut desk, RolloutAction::Pause), Ok(true));
    let before = desk.service("web");
    assert_eq!(desk.update(token("two")), Ok(true));
    let after = desk.service("web");
    assert_eq!(stands(&desk).0, RolloutState::Updating);
    assert_eq!(after.meta.spec_revision, before.meta.spec_revision);
    // Failures count anew.
    let leg = |service: &Service| service.rollout.as_ref().map(|it| it.leg);
    assert!(leg(&after) > leg(&before));
}

#[test]
fn a_change_of_placement_reaches_the_template_that_is_kept() {
    let mut desk = Desk::new();
    let web = desk.create(token("one")).expect("it is free");
    let mut spec = token("one");
    Arc::make_mut(&mut spec.template)
        .placement
        .max_replicas_per_node = 1;
    assert_eq!(desk.update(spec.clone()), Ok(true));
    let kept = desk
        .world
        .state
        .template(web.meta.id, web.template_revision);
    assert_eq!(kept.map(|kept| &kept.template), Some(&spec.template));
    assert!(desk.service("web").rollout.is_none());
}

#[test]
fn going_back_takes_over_template_and_endpoint_alone() {
    let mut desk = Desk::new();
    let mut first = token("one");
    first.ports = vec![crate::testing::tcp(80, 8080, PortMode::Ingress)];
    let web = desk.create(first.clone()).expect("it is free");
    let mut second = token("two");
    second.mode = Mode::Replicated { replicas: Some(5) };
    assert_eq!(desk.update(second), Ok(true));
    assert_eq!(steer(&mut desk, RolloutAction::RollBack(None)), Ok(true));
    let back = desk.service("web");
    assert_eq!(
        stands(&desk),
        (RolloutState::RollingBack, web.template_revision)
    );
    assert_eq!(
        (&back.spec.template, &back.spec.ports),
        (&first.template, &first.ports)
    );
    assert_eq!(back.spec.mode, Mode::Replicated { replicas: Some(5) });
    assert_eq!(back.ports, web.ports);
    // Asked again, it is so already.
    assert_eq!(steer(&mut desk, RolloutAction::RollBack(None)), Ok(false));
    // A port that another service has by now stands in the way.
    let mut third = token("three");
    third.ports = Vec::new();
    assert_eq!(desk.update(third), Ok(true));
    let other = ServiceSpec {
        name: Name::parse("other").expect("a good name"),
        ..first
    };
    desk.create(other).expect("the port is free");
    let taken = steer(
        &mut desk,
        RolloutAction::RollBack(Some(web.template_revision)),
    );
    assert!(
        matches!(taken, Err(Rejection::PortTaken { port: 8080, .. })),
        "{taken:?}"
    );
}

#[test]
fn the_newest_good_revision_is_gone_back_to() {
    let mut desk = Desk::new();
    let web = desk.create(token("one")).expect("it is free");
    let (service, revision) = (web.meta.id, web.template_revision);
    desk.world.apply([Write::MarkGood { service, revision }]);
    for text in ["two", "three"] {
        assert_eq!(desk.update(token(text)), Ok(true));
    }
    assert_eq!(steer(&mut desk, RolloutAction::RollBack(None)), Ok(true));
    assert_eq!(stands(&desk).1, revision);
    assert_eq!(steer(&mut desk, RolloutAction::Pause), Ok(true));
    // Asked again, a rollback that is paused goes on.
    assert_eq!(steer(&mut desk, RolloutAction::RollBack(None)), Ok(true));
    assert_eq!(stands(&desk), (RolloutState::RollingBack, revision));
}

#[test]
fn a_plan_that_was_made_before_a_pause_is_refused() {
    let mut desk = Desk::new();
    let web = desk.create(token("one")).expect("it is free");
    let _ = desk.world.reconcile(web.meta.id);
    for task in desk
        .world
        .state
        .tasks()
        .map(|it| it.meta.id)
        .collect::<Vec<_>>()
    {
        let node = NodeId(1);
        desk.world.apply([Write::AssignTask { task, node }]);
        desk.world.observe(task, TaskState::Running);
    }
    assert_eq!(desk.update(token("two")), Ok(true));
    let plan = desk.world.plan(web.meta.id);
    assert_eq!(steer(&mut desk, RolloutAction::Pause), Ok(true));
    let late = desk.world.apply_change(plan.into_change(desk.world.now));
    let service = ObjectId::Service(web.meta.id);
    assert_eq!(late.refusal, Some(Refusal::Changed(service)));
}
