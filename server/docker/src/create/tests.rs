// SPDX-License-Identifier: Apache-2.0
//! What is asked of the engine for a task.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};
use skep_core::model::{
    BindMount, DnsConfig, HostEntry, Mount, MountSource, NodeId, PortMode, Probe, Protocol,
    SwarmId, TmpfsMount, Ulimit, VolumeMount,
};

use super::*;
use crate::testing::work;

const OWNER: Owner = Owner {
    swarm: SwarmId(1),
    node: NodeId(2),
};
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const NEW: ApiVersion = ApiVersion::new(1, 52);

fn asked(work: &ContainerWork) -> Value {
    let body = body(work, OWNER, HERE, NEW).expect("it can be done");
    serde_json::to_value(body).expect("JSON")
}

fn refusal(work: &ContainerWork) -> String {
    let refused = body(work, OWNER, HERE, ApiVersion::OLDEST);
    refused.expect_err("it cannot be done").to_string()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    owned.collect()
}

#[test]
fn what_a_spec_leaves_out_is_the_images_choice() {
    let asked = asked(&work("web:1"));
    for key in [
        "Entrypoint",
        "Cmd",
        "WorkingDir",
        "User",
        "Hostname",
        "StopSignal",
        "Healthcheck",
    ] {
        assert_eq!(asked.get(key), None, "{key}");
    }
    assert_eq!(asked["Image"], "web:1");
    assert_eq!(asked["StopTimeout"], 10);
    let host = &asked["HostConfig"];
    for key in [
        "NanoCpus",
        "Memory",
        "MemorySwap",
        "PidsLimit",
        "CapAdd",
        "NetworkMode",
        "Init",
    ] {
        assert_eq!(host.get(key), None, "{key}");
    }
    // The engine must neither start anything again nor clear it away.
    assert_eq!(host["RestartPolicy"]["Name"], "no");
    assert_eq!(host["AutoRemove"], false);
    let log = json!({"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}});
    assert_eq!(host["LogConfig"], log);
}

#[test]
fn every_setting_of_a_container_is_asked_for() {
    let mut work = work("web:1");
    let container = &mut work.launch.container;
    container.command = texts(&["/bin/sh"]);
    container.args = texts(&["-c", "true"]);
    container.env = pairs(&[("A", "b=c")]);
    container.labels = pairs(&[("team", "web")]);
    container.dir = "/srv".into();
    container.user = "1:2".into();
    container.groups = texts(&["audio"]);
    container.hostname = "me".into();
    container.hosts = vec![HostEntry {
        ip: [10, 0, 0, 1].into(),
        names: texts(&["a", "b"]),
    }];
    container.dns = DnsConfig {
        servers: vec![[1, 1, 1, 1].into()],
        search: texts(&["x.example"]),
        options: texts(&["ndots:2"]),
    };
    container.init = true;
    container.tty = true;
    container.read_only = true;
    container.capabilities_add = texts(&["NET_ADMIN"]);
    container.capabilities_drop = texts(&["ALL"]);
    container.sysctls = pairs(&[("net.core.somaxconn", "9")]);
    container.ulimits = BTreeMap::from([("nofile".to_owned(), Ulimit { soft: 1, hard: -1 })]);
    container.oom_score_adj = -5;
    container.security = Security {
        no_new_privileges: true,
        seccomp_unconfined: true,
        apparmor: "mine".into(),
        selinux: "u:r:t:s0:c1,c2".into(),
    };
    work.stop.signal = 2;
    work.stop.grace = Duration::from_secs(7);
    let asked = asked(&work);
    assert_eq!(asked["Entrypoint"], json!(["/bin/sh"]));
    assert_eq!(asked["Cmd"], json!(["-c", "true"]));
    assert_eq!(asked["Env"], json!(["A=b=c"]));
    assert_eq!(asked["Labels"]["team"], "web");
    assert_eq!(asked["WorkingDir"], "/srv");
    assert_eq!(
        (&asked["User"], &asked["Hostname"]),
        (&json!("1:2"), &json!("me"))
    );
    assert_eq!(
        (&asked["Tty"], &asked["StopSignal"]),
        (&json!(true), &json!("2"))
    );
    assert_eq!(asked["StopTimeout"], 7);
    let host = &asked["HostConfig"];
    for (key, want) in [
        ("GroupAdd", json!(["audio"])),
        ("ExtraHosts", json!(["a:10.0.0.1", "b:10.0.0.1"])),
        ("Dns", json!(["1.1.1.1"])),
        ("DnsSearch", json!(["x.example"])),
        ("DnsOptions", json!(["ndots:2"])),
        ("Init", json!(true)),
        ("ReadonlyRootfs", json!(true)),
        ("CapAdd", json!(["NET_ADMIN"])),
        ("CapDrop", json!(["ALL"])),
        ("Sysctls", json!({"net.core.somaxconn": "9"})),
        (
            "Ulimits",
            json!([{"Name": "nofile", "Soft": 1, "Hard": -1}]),
        ),
        ("OomScoreAdj", json!(-5)),
        (
            "SecurityOpt",
            json!([
                "no-new-privileges",
                "seccomp=unconfined",
                "apparmor=mine",
                "label=user:u",
                "label=role:r",
                "label=type:t",
                "label=level:s0:c1,c2"
            ]),
        ),
    ] {
        assert_eq!(host[key], want, "{key}");
    }
}

#[test]
fn limits_are_hard_and_reservations_are_weights() {
    let mut work = work("web:1");
    work.limits = ResourceLimits {
        cpu_millis: 1_500,
        memory_bytes: 64 << 20,
        pids: 9,
    };
    work.reservations = Resources {
        cpu_millis: 500,
        memory_bytes: 32 << 20,
    };
    let host = asked(&work)["HostConfig"].clone();
    assert_eq!(host["NanoCpus"], 1_500_000_000u64);
    assert_eq!(
        (&host["Memory"], &host["MemorySwap"]),
        (&json!(64 << 20), &json!(64 << 20))
    );
    assert_eq!(
        (&host["PidsLimit"], &host["CpuShares"]),
        (&json!(9), &json!(512))
    );
    assert_eq!(host["MemoryReservation"], 32 << 20);
    // The engine refuses to set aside less than this.
    work.reservations.memory_bytes = RESERVATION_BYTES_MIN - 1;
    assert_eq!(asked(&work)["HostConfig"].get("MemoryReservation"), None);
}

#[test]
fn each_port_is_opened_at_the_nodes_address() {
    let mut work = work("web:1");
    let port = |target, published, protocol| Port {
        target,
        published,
        protocol,
        mode: PortMode::Ingress,
        name: "".into(),
    };
    work.ports = vec![
        port(80, 20_001, Protocol::Tcp),
        port(80, 20_001, Protocol::Tcp),
        port(53, 20_002, Protocol::Udp),
    ];
    let asked = asked(&work);
    let bound = |number: &str| json!([{"HostIp": "127.0.0.1", "HostPort": number}]);
    let want = json!({"80/tcp": bound("20001"), "53/udp": bound("20002")});
    assert_eq!(asked["HostConfig"]["PortBindings"], want);
    assert_eq!(asked["ExposedPorts"], json!({"80/tcp": {}, "53/udp": {}}));
}

#[test]
fn checks_of_the_engine_are_its_own_and_others_are_not() {
    let mut work = work("web:1");
    let mut check = HealthCheck {
        probe: Some(Probe::Exec {
            command: texts(&["/check", "-q"]),
        }),
        interval: Some(Duration::from_millis(1_500)),
        timeout: Some(Duration::from_millis(500)),
        retries: 2,
        ..HealthCheck::default()
    };
    work.launch.health_check = Some(check.clone());
    let nanos = 1_500_000_000u64;
    let want = json!({"Test": ["CMD", "/check", "-q"], "Interval": nanos, "Timeout": 500_000_000, "Retries": 2,
                      "StartPeriod": nanos, "StartInterval": nanos});
    assert_eq!(asked(&work)["Healthcheck"], want);

    // The image's own, with other times.
    check.probe = None;
    work.launch.health_check = Some(check.clone());
    assert_eq!(asked(&work)["Healthcheck"].get("Test"), None);
    assert_eq!(asked(&work)["Healthcheck"]["Retries"], 2);

    for probe in [Probe::Disabled, Probe::Tcp { port: 80 }] {
        check.probe = Some(probe);
        work.launch.health_check = Some(check.clone());
        assert_eq!(asked(&work)["Healthcheck"], json!({"Test": ["NONE"]}));
    }
}

#[test]
fn file_systems_are_named_as_the_engine_wants_them() {
    let mut work = work("web:1");
    let mount = |target: &str, source| Mount {
        target: target.into(),
        read_only: true,
        source,
    };
    work.launch.mounts = vec![
        mount(
            "/a",
            MountSource::Bind(BindMount {
                path: "/data".into(),
                non_recursive: true,
                ..BindMount::default()
            }),
        ),
        mount(
            "/b",
            MountSource::Bind(BindMount {
                path: "/made".into(),
                create: true,
                propagation: "rslave".into(),
                non_recursive: false,
            }),
        ),
        mount(
            "/c",
            MountSource::Volume(VolumeMount {
                name: "db".into(),
                driver: "mine".into(),
                options: pairs(&[("o", "size=1m")]),
                labels: pairs(&[("a", "b")]),
                subpath: "in/it".into(),
                no_copy: true,
            }),
        ),
        mount("/d", MountSource::Volume(VolumeMount::default())),
        mount(
            "/e",
            MountSource::Tmpfs(TmpfsMount {
                size_bytes: 4_096,
                mode: Some(0o700),
            }),
        ),
    ];
    let host = asked(&work)["HostConfig"].clone();
    assert_eq!(host["Binds"], json!(["/made:/b:ro,rslave"]));
    let want = json!([
        {"Target": "/a", "Source": "/data", "Type": "bind", "ReadOnly": true,
         "BindOptions": {"Propagation": "rprivate", "NonRecursive": true}},
        {"Target": "/c", "Source": "db", "Type": "volume", "ReadOnly": true,
         "VolumeOptions": {"NoCopy": true, "Labels": {"a": "b"}, "Subpath": "in/it",
                           "DriverConfig": {"Name": "mine", "Options": {"o": "size=1m"}}}},
        {"Target": "/d", "Type": "volume", "ReadOnly": true, "VolumeOptions": {}},
        {"Target": "/e", "Type": "tmpfs", "ReadOnly": true,
         "TmpfsOptions": {"SizeBytes": 4_096, "Mode": 0o700}}
    ]);
    assert_eq!(host["Mounts"], want);
}

mod versions;
