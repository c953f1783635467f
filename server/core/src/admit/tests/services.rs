// SPDX-License-Identifier: Apache-2.0
//! Services.

use crate::testing::{every_node, tcp};

use super::*;

#[test]
fn a_name_is_taken_whatever_its_case() {
    let mut desk = Desk::new();
    let web = desk.create(replicated("web", 1)).expect("it is free");
    let taken = desk.create(replicated("WEB", 1)).expect_err("it is taken");
    let id = ObjectId::Service(web.meta.id);
    let name = web.spec.name.clone();
    assert_eq!(
        taken,
        Rejection::NameTaken {
            name: name.clone(),
            id,
            deleting: false
        }
    );
    assert_eq!(
        taken.to_string(),
        "there is a service \"web\" already; take another name, or update that one"
    );
    let admitted = delete_service(&web, None, &desk.ctx).expect("it may go");
    desk.settle(admitted);
    let taken = desk
        .create(replicated("web", 1))
        .expect_err("it is still there");
    assert!(taken.to_string().contains("wait until it is gone"));
}

#[test]
fn an_equal_spec_changes_nothing() {
    let mut desk = Desk::new();
    desk.create(replicated("web", 2)).expect("it is free");
    assert_eq!(desk.update(replicated("web", 2)), Ok(false));
    assert_eq!(desk.update(replicated("web", 3)), Ok(true));
}

#[test]
fn name_and_mode_are_fixed() {
    let mut desk = Desk::new();
    desk.create(replicated("web", 2)).expect("it is free");
    desk.create(every_node("agent")).expect("it is free");
    for (spec, place) in [
        (replicated("Web", 2), "spec.name"),
        (every_node("web"), "spec.every_node"),
        (replicated("agent", 1), "spec.replicated"),
    ] {
        let refused = desk.update(spec).expect_err("it is fixed");
        let Rejection::Field { field, .. } = refused else {
            panic!("{refused:?} is about no field");
        };
        assert_eq!(field, place);
    }
}

type Edit = fn(&mut ServiceSpec, &mut TaskTemplate);

/// Changes of a service with an ingress port and a host port, and whether they need new tasks.
fn edits() -> [(&'static str, bool, Edit); 13] {
    [
        ("replicas", false, |s, _| {
            s.mode = Mode::Replicated { replicas: Some(9) }
        }),
        ("labels", false, |s, _| {
            s.labels = Arc::new([("a".into(), "b".into())].into())
        }),
        ("restart", false, |_, t| t.restart.max_attempts = 3),
        ("placement", false, |_, t| {
            t.placement.max_replicas_per_node = 1
        }),
        ("published", false, |s, _| s.ports[0].published = 8081),
        ("name of a port", false, |s, _| {
            s.ports[0].name = "http".into()
        }),
        ("restart_token", true, |_, t| t.restart_token = "now".into()),
        ("reservations", true, |_, t| t.reservations.cpu_millis = 10),
        ("limits", true, |_, t| t.limits.pids = 10),
        ("stop", true, |_, t| t.stop.signal = "INT".into()),
        ("workload", true, |_, t| {
            t.workload = Workload::Process(Process {
                args: vec!["x".into()],
                ..Process::default()
            });
        }),
        ("target", true, |s, _| s.ports[0].target = 81),
        ("published on hosts", true, |s, _| {
            s.ports[1].published = 9001
        }),
    ]
}

#[test]
fn only_what_a_task_is_made_from_makes_new_tasks() {
    for (what, new_tasks, edit) in edits() {
        let mut desk = Desk::new();
        let mut spec = replicated("web", 1);
        spec.ports = vec![
            tcp(80, 8080, PortMode::Ingress),
            tcp(90, 9000, PortMode::Host),
        ];
        let before = desk.create(spec.clone()).expect("it is free");
        let mut template = spec.template.as_ref().clone();
        edit(&mut spec, &mut template);
        spec.template = Arc::new(template);
        assert_eq!(desk.update(spec), Ok(true), "{what}");
        let after = desk.service("web");
        assert!(
            after.meta.spec_revision > before.meta.spec_revision,
            "{what}"
        );
        let changed = after.template_revision != before.template_revision;
        assert_eq!(changed, new_tasks, "{what}");
    }
}

#[test]
fn updates_compare_the_spec_alone() {
    let mut desk = Desk::new();
    let web = desk.create(replicated("web", 2)).expect("it is free");
    desk.task(&web, 1);
    let now = desk.service("web");
    assert!(now.meta.revision > web.meta.revision);
    let seen = web.meta.spec_revision;
    let (state, ctx) = (desk.world.state.clone(), desk.ctx.clone());
    let update = |seen| update_service(&state, &now, replicated("web", 3), seen, &ctx);
    let present = seen;
    let stale = Some(Revision(seen.0 - 1));
    assert_eq!(
        update(stale),
        Err(Rejection::SpecRevisionMismatch { present })
    );
    assert!(
        desk.settle(update(Some(seen)).expect("it is the present one"))
            .1
    );
    let Ok(Admitted::Change(late, object)) = update(None) else {
        panic!("nobody asked for a revision");
    };
    let refusal = desk.world.apply_change(late).refusal;
    assert_eq!(refusal, Some(Refusal::Changed(object)));
}

#[test]
fn what_is_being_deleted_stays_as_it_is() {
    let mut desk = Desk::new();
    let web = desk.create(replicated("web", 1)).expect("it is free");
    let stale = delete_service(&web, Some(Revision(1)), &desk.ctx);
    let present = web.meta.spec_revision;
    assert_eq!(stale, Err(Rejection::SpecRevisionMismatch { present }));
    let admitted = delete_service(&web, Some(present), &desk.ctx);
    let (object, written) = desk.settle(admitted.expect("it may go"));
    assert_eq!(
        (object, written),
        (Some(ObjectId::Service(web.meta.id)), true)
    );
    let web = desk.service("web");
    assert_eq!(web.meta.delete_time, Some(desk.world.now));
    let again = delete_service(&web, None, &desk.ctx).expect("it is going");
    assert_eq!(desk.settle(again), (object, false));
    let update = desk.update(replicated("web", 2)).expect_err("it is going");
    assert!(matches!(update, Rejection::Deleting { .. }));
}

#[test]
fn putting_creates_what_is_missing() {
    let mut desk = Desk::new();
    let (ctx, mut ids) = (desk.ctx.clone(), || 77);
    let state = desk.world.state.clone();
    let spec = replicated("web", 1);
    let other = put_service(&state, "api", spec.clone(), &ctx, &mut ids);
    assert!(matches!(other, Err(Rejection::NotFound { .. })));
    let created = put_service(&state, "Web", spec.clone(), &ctx, &mut ids);
    let (object, _) = desk.settle(created.expect("it is free"));
    assert_eq!(object, Some(ObjectId::Service(ServiceId(77))));
    let state = desk.world.state.clone();
    let same = put_service(&state, "web", spec, &ctx, &mut ids).expect("it is so");
    assert_eq!(desk.settle(same), (object, false));
    let updated = put_service(&state, "web", replicated("web", 4), &ctx, &mut ids);
    assert_eq!(desk.settle(updated.expect("it is there")), (object, true));
    assert_eq!(desk.service("web").spec.mode.replicas(), Some(4));
}

#[test]
fn the_beginning_of_an_id_must_fit_one() {
    let mut desk = Desk::new();
    for bits in [1u128, 2] {
        let mut ids = || bits;
        let spec = replicated(&format!("web{bits}"), 1);
        let admitted = create_service(&desk.world.state, spec, &desk.ctx, &mut ids);
        desk.settle(admitted.expect("it is free"));
    }
    let found = find_service(&desk.world.state, "svc_0000000000");
    let Err(Rejection::Ambiguous {
        candidates, count, ..
    }) = found
    else {
        panic!("it fits two, not {found:?}");
    };
    let ids = [ServiceId(1), ServiceId(2)].map(ObjectId::Service);
    assert_eq!((candidates.as_slice(), count), (ids.as_slice(), 2));
    let missing = find_service(&desk.world.state, "nothing").expect_err("there is none");
    assert_eq!(missing.to_string(), "there is no service \"nothing\"");
}
