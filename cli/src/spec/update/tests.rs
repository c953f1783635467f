// SPDX-License-Identifier: Apache-2.0
//! Each flag of `service update` reaches its field.

use super::*;
use crate::args::{Cli, Command};
use crate::commands::service::ServiceCommand;
use crate::output::json::Json;
use crate::sample;
use clap::Parser;
use skep_sdk::v1::mount::Source;
use skep_sdk::v1::task_template::Workload;
use skep_sdk::v1::update_policy::{OnFailure, Order};
use skep_sdk::v1::{Container, HostEntry, UpdatePolicy};

/// The spec of the sample service after an update, and the notices.
fn update(line: &[&str]) -> Result<(ServiceSpec, Vec<String>), String> {
    update_of(sample::service().spec.unwrap(), line)
}

/// The same of a service of containers.
fn update_container(line: &[&str]) -> Result<(ServiceSpec, Vec<String>), String> {
    let mut spec = sample::service().spec.unwrap();
    spec.template.get_or_insert_default().workload = Some(Workload::Container(Container {
        image: "web:1".into(),
        read_only: true,
        ..Container::default()
    }));
    update_of(spec, line)
}

fn update_of(mut spec: ServiceSpec, line: &[&str]) -> Result<(ServiceSpec, Vec<String>), String> {
    let words = ["skep", "service", "update"]
        .iter()
        .chain(line)
        .chain(&["web"]);
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let Command::Service(ServiceCommand::Update(update)) = cli.command else {
        panic!("not an update")
    };
    let around = Around {
        var: &|name| (name == "HOME").then(|| "/root".to_owned()),
        restart_token: "fresh",
    };
    let notices = apply(&update, &mut spec, &around)?;
    Ok((spec, notices))
}

#[test]
fn flags_of_policies_reach_both() {
    let mut line = Vec::new();
    for kind in ["update", "rollback"] {
        for value in [
            "parallelism=2",
            "delay=3s",
            "order=start-first",
            "monitor=4s",
            "progress-deadline=5m",
            "max-failure-ratio=0.25",
            "failure-action=continue",
        ] {
            line.push(format!("--{kind}-{value}"));
        }
    }
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let (spec, _) = update(&line).unwrap();
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let want = UpdatePolicy {
        parallelism: Some(2),
        delay: seconds(3),
        order: Order::StartFirst.into(),
        monitor: seconds(4),
        progress_deadline: seconds(300),
        max_failure_percent: 25,
        on_failure: OnFailure::Continue.into(),
    };
    assert_eq!((spec.update, spec.rollback), (Some(want), Some(want)));
    let error = update(&["--update-max-failure-ratio=25"]).unwrap_err();
    assert!(error.contains("from 0 to 1"), "{error}");
    assert_eq!(update(&[]).unwrap().0.update, None);
}

#[test]
fn flags_of_containers_change_a_container_alone() {
    let line = [
        "--image=web:2",
        "--hostname=a",
        "--init",
        "--read-only=false",
        "--tty",
        "--pull=never",
        "--no-resolve-image",
        "--oom-score-adj=7",
        "--log-driver=local",
        "--log-opt=max-size=1m",
        "--health-cmd=check",
        "--health-interval=1s",
        "--health-timeout=1s",
        "--health-retries=1",
        "--health-start-period=1s",
        "--health-start-interval=1s",
    ];
    let error = update(&line).unwrap_err();
    assert!(error.starts_with("--image is for containers"), "{error}");

    let (spec, _) = update_container(&line).unwrap();
    let yaml = serde_yaml_ng::to_string(&Json::of(&spec)).unwrap();
    crate::golden::check("update-container.yaml", &yaml);
}

#[test]
fn every_flag_of_update_reaches_its_field() {
    let (spec, notices) = update(&[
        "--replicas=5",
        "--args=--serve 'c d'",
        "--entrypoint=/bin/other -v",
        "--force",
        "--env-rm=A",
        "--env-add=B=2",
        "--env-add=HOME",
        "--label-rm=team",
        "--label-add=stage=two",
        "--constraint-rm=node.role==worker",
        "--constraint-add=node.labels.ssd==yes",
        "--placement-pref-rm=spread=node.labels.zone",
        "--placement-pref-add=spread=node.labels.rack",
        "--replicas-max-per-node=0",
        "--publish-rm=9100",
        "--publish-add=8091:80",
        "--group-rm=adm",
        "--group-add=video",
        "--ulimit-rm=nofile",
        "--ulimit-add=nproc=64",
        "--limit-cpu=2",
        "--limit-memory=0",
        "--limit-pids=10",
        "--reserve-cpu=1",
        "--reserve-memory=1g",
        "--restart-condition=any",
        "--restart-delay=3s",
        "--restart-max-delay=90s",
        "--restart-max-attempts=0",
        "--restart-window=1m",
        "--stop-signal=15",
        "--stop-grace-period=1s",
        "--stop-drain=2s",
        "--user=1000",
        "--workdir=/tmp",
    ])
    .unwrap();
    assert_eq!(notices, Vec::<String>::new());
    let yaml = serde_yaml_ng::to_string(&Json::of(&spec)).unwrap();
    crate::golden::check("update-every-flag.yaml", &yaml);
}

#[test]
fn no_flag_changes_nothing() {
    let (spec, notices) = update(&[]).unwrap();
    assert_eq!(Some(spec), sample::service().spec);
    assert!(notices.is_empty());
}

#[test]
fn what_was_not_there_is_a_notice() {
    let (spec, notices) = update(&[
        "--label-rm=x",
        "--env-rm=X",
        "--constraint-rm=node.role!=worker",
        "--placement-pref-rm=spread=node.labels.x",
        "--publish-rm=9999",
        "--group-rm=x",
        "--ulimit-rm=core",
    ])
    .unwrap();
    assert_eq!(Some(spec), sample::service().spec);
    assert_eq!(
        notices,
        [
            "label x was not there",
            "variable X was not there",
            "group x was not there",
            "ulimit core was not there",
            "constraint node.role!=worker was not there",
            "placement preference node.labels.x was not there",
            "published port 9999 was not there",
        ]
    );
}

#[test]
fn adding_what_is_there_adds_nothing() {
    let (spec, _) = update(&[
        "--publish-add=8080:80/tcp",
        "--constraint-add=node.role==worker",
        "--group-add=adm",
        "--placement-pref-add=spread=node.labels.zone",
    ])
    .unwrap();
    let ports = &spec.endpoint.as_ref().unwrap().ports;
    assert_eq!(ports.len(), 2, "{ports:?}");
    assert_eq!(spec.template, sample::service().spec.unwrap().template);
}

#[test]
fn removing_the_last_port_removes_the_endpoint() {
    let (spec, _) = update(&["--publish-rm=80", "--publish-rm=9100/tcp"]).unwrap();
    assert_eq!(spec.endpoint, None);
}

/// A flag of each list, what it adds, what takes that away, and what the notice calls it.
const LISTS: [(&str, &str, &str, &str); 7] = [
    (
        "container-label",
        "team=shop",
        "team",
        "container label team",
    ),
    ("mount", "type=bind,source=/srv,target=/d", "/d", "mount /d"),
    (
        "sysctl",
        "net.core.somaxconn=9",
        "net.core.somaxconn",
        "kernel parameter net.core.somaxconn",
    ),
    ("host", "db:192.0.2.7", "db", "host db"),
    ("dns", "192.0.2.53", "192.0.2.53", "name server 192.0.2.53"),
    (
        "dns-option",
        "ndots:2",
        "ndots:2",
        "resolver option ndots:2",
    ),
    (
        "dns-search",
        "example.com",
        "example.com",
        "search domain example.com",
    ),
];

#[test]
fn lists_of_containers_come_and_go() {
    let all: Vec<String> = LISTS
        .iter()
        .map(|(flag, new, ..)| format!("--{flag}-add={new}"))
        .collect();
    let (full, notices) =
        update_container(&all.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    assert_eq!(notices, Vec::<String>::new());
    let yaml = serde_yaml_ng::to_string(&Json::of(&full)).unwrap();
    crate::golden::check("update-container-lists.yaml", &yaml);

    let (empty, _) = update_container(&[]).unwrap();
    for (flag, new, gone, what) in LISTS {
        let (add, remove) = (format!("--{flag}-add={new}"), format!("--{flag}-rm={gone}"));
        let (one, _) = update_container(&[&add]).unwrap();
        assert_ne!(one, empty, "{flag}");
        let (again, _) = update_of(one.clone(), &[&add]).unwrap();
        assert_eq!(again, one, "{flag}");
        let (none, notices) = update_of(one, &[&remove]).unwrap();
        assert_eq!((none, notices), (empty.clone(), vec![]), "{flag}");
        let (same, notices) = update_container(&[&remove]).unwrap();
        assert_eq!(same, empty, "{flag}");
        assert_eq!(notices, [format!("{what} was not there")]);
        if flag != "mount" {
            let error = update(&[&remove]).unwrap_err();
            assert!(
                error.starts_with(&format!("--{flag}-rm is for containers")),
                "{error}"
            );
        }
    }
}

#[test]
fn what_is_added_takes_the_place_of_the_same_thing() {
    let (spec, _) = update_container(&["--mount-add=type=bind,source=/a,target=/d"]).unwrap();
    let (spec, _) = update_of(spec, &["--mount-add=type=tmpfs,target=/d"]).unwrap();
    let mounts = spec.template.unwrap().mounts;
    assert!(
        matches!(&mounts[..], [mount] if matches!(mount.source, Some(Source::Tmpfs(_)))),
        "{mounts:?}"
    );
}

#[test]
fn a_line_of_hosts_keeps_its_other_names() {
    let (mut spec, _) = update_container(&["--host-add=db:192.0.2.7"]).unwrap();
    hosts(&mut spec)[0].names.push("store".into());
    let (mut spec, _) = update_of(spec, &["--host-rm=db"]).unwrap();
    assert_eq!(hosts(&mut spec)[0].names, ["store"]);
}

fn hosts(spec: &mut ServiceSpec) -> &mut Vec<HostEntry> {
    let Some(Workload::Container(inside)) = &mut spec.template.as_mut().unwrap().workload else {
        panic!("not a container")
    };
    &mut inside.hosts
}

#[test]
fn capabilities_have_three_states() {
    let mut spec = update_container(&[]).unwrap().0;
    for (flag, added, dropped) in [
        ("--cap-drop=NET_ADMIN", &[][..], &["NET_ADMIN"][..]),
        ("--cap-add=cap_net_admin", &[], &[]),
        ("--cap-add=NET_ADMIN", &["NET_ADMIN"], &[]),
        ("--cap-add=CAP_NET_ADMIN", &["NET_ADMIN"], &[]),
        ("--cap-drop=NET_ADMIN", &[], &[]),
    ] {
        spec = update_of(spec, &[flag]).unwrap().0;
        let Some(Workload::Container(inside)) = &spec.template.as_ref().unwrap().workload else {
            panic!("not a container")
        };
        assert_eq!(inside.capabilities_add, added, "{flag}");
        assert_eq!(inside.capabilities_drop, dropped, "{flag}");
    }
    let (spec, _) = update_container(&["--cap-add=ALL", "--cap-drop=ALL"]).unwrap();
    let yaml = serde_yaml_ng::to_string(&Json::of(&spec)).unwrap();
    assert!(yaml.contains("capabilitiesAdd:\n    - ALL"), "{yaml}");
    assert!(!yaml.contains("capabilitiesDrop"), "{yaml}");
}

#[test]
fn what_was_switched_off_can_be_switched_on() {
    let before = update_container(&[]).unwrap().0;
    let off = ["--no-resolve-image", "--no-healthcheck"];
    let (spec, _) = update_container(&off).unwrap();
    assert_ne!(spec, before);
    let on = ["--no-resolve-image=false", "--no-healthcheck=false"];
    assert_eq!(update_of(spec, &on).unwrap().0, before);
    // A check of the service's own stays.
    let (own, _) = update_container(&["--health-tcp=80"]).unwrap();
    assert_eq!(update_of(own.clone(), &on).unwrap().0, own);
}
