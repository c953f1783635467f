// SPDX-License-Identifier: Apache-2.0
//! What engines of other versions are asked for, and what they cannot do.

use super::*;

#[test]
fn a_newer_engine_asks_at_the_times_of_an_agent() {
    let check = |start_period| HealthCheck {
        probe: Some(Probe::Exec {
            command: vec!["/check".into()],
        }),
        interval: Some(Duration::from_secs(10)),
        start_period,
        ..HealthCheck::default()
    };
    let times = |check: HealthCheck, engine| {
        let made = health_config(&check, engine).expect("it can").expect("one");
        let seconds = |nanos: Option<i64>| nanos.map(|nanos| nanos / 1_000_000_000);
        (seconds(made.start_period), seconds(made.start_interval))
    };
    let new = ApiVersion::new(1, 44);
    assert_eq!(times(check(None), new), (Some(10), Some(5)));
    let minute = Some(Duration::from_secs(60));
    assert_eq!(times(check(minute), new), (Some(60), Some(5)));
    // An older one asks each interval only.
    assert_eq!(times(check(minute), ApiVersion::OLDEST), (Some(60), None));
    // Of the image's own check nothing is known here.
    let own = HealthCheck {
        probe: None,
        ..check(minute)
    };
    assert_eq!(times(own, new), (Some(60), None));
}

#[test]
fn what_an_older_engine_cannot_do_is_refused_by_name() {
    let mut with_check = work("web:1");
    with_check.launch.health_check = Some(HealthCheck {
        start_interval: Some(Duration::from_secs(1)),
        ..HealthCheck::default()
    });
    let text = refusal(&with_check);
    assert!(text.contains("needs 1.44 (Engine 25.0"), "{text}");
    assert!(
        text.ends_with("(field health_check.start_interval)"),
        "{text}"
    );
    // The agent asks then, at whatever times.
    if let Some(check) = &mut with_check.launch.health_check {
        check.probe = Some(Probe::Tcp { port: 80 });
    }
    assert_eq!(asked(&with_check)["Healthcheck"]["Test"], json!(["NONE"]));

    let mount = |source| Mount {
        target: "/a".into(),
        read_only: false,
        source,
    };
    let mut with_subpath = work("web:1");
    with_subpath.launch.mounts = vec![mount(MountSource::Volume(VolumeMount {
        name: "db".into(),
        subpath: "x".into(),
        ..VolumeMount::default()
    }))];
    let text = refusal(&with_subpath);
    assert!(text.ends_with("(field mounts[0].volume.subpath)"), "{text}");

    for (bind, field) in [
        (
            BindMount {
                path: "/a:b".into(),
                create: true,
                ..BindMount::default()
            },
            "create",
        ),
        (
            BindMount {
                path: "/a".into(),
                create: true,
                non_recursive: true,
                ..BindMount::default()
            },
            "non_recursive",
        ),
        (
            BindMount {
                path: "/a".into(),
                propagation: "sideways".into(),
                ..BindMount::default()
            },
            "propagation",
        ),
    ] {
        let mut work = work("web:1");
        work.launch.mounts = vec![mount(MountSource::Bind(bind))];
        let text = refusal(&work);
        assert!(
            text.ends_with(&format!("(field mounts[0].bind.{field})")),
            "{text}"
        );
    }
}
