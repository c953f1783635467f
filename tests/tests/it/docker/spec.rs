// SPDX-License-Identifier: Apache-2.0
//! What a spec asks for, as the engine understood it.

use std::collections::BTreeMap;

use skep_core::model::{
    BindMount, DnsConfig, HealthCheck, HostEntry, Mount, MountSource, Security, TmpfsMount, Ulimit,
    VolumeMount,
};

use super::*;

fn mount(target: &str, source: MountSource) -> Mount {
    Mount {
        target: target.to_owned(),
        read_only: false,
        source,
    }
}

fn bind(path: &str, create: bool) -> MountSource {
    MountSource::Bind(BindMount {
        path: path.to_owned(),
        create,
        ..BindMount::default()
    })
}

fn volume(name: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        ..VolumeMount::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_a_container_reach_the_engine() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let mut work = hello(&[]);
    let container = &mut work.launch.container;
    container.env = BTreeMap::from([("GREETING".to_owned(), "a=b \"c\"".to_owned())]);
    container.dir = "/tmp".to_owned();
    container.user = "1000:1001".to_owned();
    container.groups = texts(&["44"]);
    container.hostname = "me".to_owned();
    container.hosts = vec![HostEntry {
        ip: [10, 9, 8, 7].into(),
        names: texts(&["db"]),
    }];
    container.dns = DnsConfig {
        servers: vec![[10, 1, 1, 1].into()],
        search: texts(&["x.example"]),
        options: texts(&["ndots:2"]),
    };
    container.init = true;
    container.read_only = true;
    container.capabilities_add = texts(&["NET_ADMIN"]);
    container.capabilities_drop = texts(&["ALL"]);
    container.sysctls =
        BTreeMap::from([("net.ipv4.ip_unprivileged_port_start".into(), "0".into())]);
    container.ulimits = BTreeMap::from([(
        "nofile".into(),
        Ulimit {
            soft: 99,
            hard: 100,
        },
    )]);
    container.oom_score_adj = 7;
    container.security = Security {
        no_new_privileges: true,
        seccomp_unconfined: true,
        ..Security::default()
    };
    work.limits.cpu_millis = 1_500;
    work.limits.memory_bytes = 64 << 20;
    work.limits.pids = 77;
    work.reservations.cpu_millis = 500;
    work.reservations.memory_bytes = 32 << 20;
    work.stop.signal = 2;
    work.launch.mounts = vec![mount(
        "/scratch",
        MountSource::Tmpfs(TmpfsMount {
            size_bytes: 1 << 20,
            mode: Some(0o700),
        }),
    )];
    let task = node.run(work).await;
    node.until(task, is_running).await;
    for (template, want) in [
        (
            "{{.Config.WorkingDir}} {{.Config.User}} {{.Config.Hostname}}",
            "/tmp 1000:1001 me",
        ),
        (
            "{{.HostConfig.GroupAdd}} {{.HostConfig.ExtraHosts}}",
            "[44] [db:10.9.8.7]",
        ),
        (
            "{{.HostConfig.Dns}} {{.HostConfig.DnsSearch}}",
            "[10.1.1.1] [x.example]",
        ),
        (
            "{{.HostConfig.DnsOptions}} {{.HostConfig.Init}}",
            "[ndots:2] true",
        ),
        (
            "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.OomScoreAdj}}",
            "true 7",
        ),
        (
            "{{.HostConfig.CapAdd}} {{.HostConfig.CapDrop}}",
            "[NET_ADMIN] [ALL]",
        ),
        (
            "{{.HostConfig.SecurityOpt}}",
            "[no-new-privileges seccomp=unconfined]",
        ),
        (
            "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}",
            "1500000000 67108864",
        ),
        (
            "{{.HostConfig.PidsLimit}} {{.HostConfig.CpuShares}}",
            "77 512",
        ),
        (
            "{{.HostConfig.MemoryReservation}} {{.Config.StopSignal}}",
            "33554432 2",
        ),
        (
            "{{range .Mounts}}{{.Type}} {{.Destination}}{{end}}",
            "tmpfs /scratch",
        ),
    ] {
        assert_eq!(node.inspect(task, template), want, "{template}");
    }
    // And the kernel: what the program itself says counts.
    let status = |name: &str| {
        let pid = node.inspect(task, "{{.State.Pid}}");
        std::fs::read_to_string(format!("/proc/{pid}/{name}")).expect("it runs")
    };
    assert!(status("limits").contains("Max open files            99                   100"));
    assert_eq!(status("oom_score_adj").trim(), "7");
    assert!(status("status").contains("NoNewPrivs:\t1"));
    let exit = {
        node.executor
            .stop(task, signal::OWN, Duration::from_secs(20))
            .await
            .expect("told");
        node.exit(task).await
    };
    assert_eq!(exit.cause, ExitCause::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_are_made_and_only_a_tasks_own_go_with_it() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let made = tempfile::tempdir().expect("a directory");
    let path = made.path().join("new");
    let named = format!("vol-{}", TaskId(rand::random()));
    let mut work = hello(&[]);
    work.launch.mounts = vec![
        mount("/named", MountSource::Volume(volume(&named))),
        mount("/own", MountSource::Volume(volume(""))),
        mount("/made", bind(&path.display().to_string(), true)),
    ];
    let before = engine.docker_ok(&["volume", "ls", "-q"]);
    let task = node.run(work).await;
    assert!(path.is_dir());
    let during = engine.docker_ok(&["volume", "ls", "-q"]);
    assert_eq!(
        during.lines().count(),
        before.lines().count() + 2,
        "{during}"
    );
    node.executor.remove(task).await.expect("removed");
    let after = engine.docker_ok(&["volume", "ls", "-q"]);
    assert!(after.lines().any(|name| name == named), "{after}");
    assert_eq!(after.lines().count(), before.lines().count() + 1, "{after}");
    engine.docker_ok(&["volume", "rm", &named]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_signal_that_the_engine_does_not_know_is_no_reason_to_run_for_ever() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    // An engine takes it for a container, as for an image, and does not send it.
    let mut work = hello(&[]);
    work.stop.signal = 99;
    let task = node.run(work).await;
    let grace = Duration::from_secs(1);
    let stop = node.executor.stop(task, signal::OWN, grace).await;
    stop.expect("told to stop");
    let exit = node.exit(task).await;
    assert_eq!(exit.cause, ExitCause::Stopped, "{}", exit.message);
    node.executor.remove(task).await.expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_refuses_is_refused_with_its_field() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    // The engine's old way would make the directory, with nobody's leave.
    let mut missing = hello(&[]);
    missing.launch.mounts = vec![mount("/in", bind("/not/there", false))];
    let text = node.refusal(missing).await;
    assert!(
        text.contains("bind source path does not exist: /not/there; make that directory")
            && text.contains("mounts[0].bind.create (bind-create-src)"),
        "{text}"
    );
    assert!(text.ends_with("(field mounts[0].bind.path)"), "{text}");
    assert!(!std::path::Path::new("/not").exists());

    let mut capability = hello(&[]);
    capability.launch.container.capabilities_add = vec!["NO_SUCH".to_owned()];
    let text = node.refusal(capability).await;
    assert!(
        text.ends_with("(field container.capabilities_add)"),
        "{text}"
    );

    let mut memory = hello(&[]);
    memory.limits.memory_bytes = 4 << 20;
    let text = node.refusal(memory).await;
    assert!(text.ends_with("(field limits.memory_bytes)"), "{text}");

    // An image that says nothing of what to run.
    let archive = tempfile::NamedTempFile::new().expect("a file");
    let archive = archive.path().display().to_string();
    let container = engine.docker_ok(&["create", "skep-hello:1"]);
    engine.docker_ok(&["export", "-o", &archive, &container]);
    engine.docker_ok(&["import", &archive, "idle:1"]);
    engine.docker_ok(&["rm", &container]);
    let text = node.refusal(image("idle:1", &[])).await;
    let want = "No command specified (field container.command)";
    assert!(text.to_lowercase().contains(&want.to_lowercase()), "{text}");
    engine.docker_ok(&["rmi", "idle:1"]);

    let text = node.refusal(image("skep-hello:9", &[])).await;
    assert!(text.contains("does not have \"skep-hello:9\""), "{text}");

    // An engine would leave out in silence what its version does not know.
    let version = engine.docker_ok(&["version", "-f", "{{.Server.APIVersion}}"]);
    let version: skep_docker::ApiVersion = version.parse().expect("a version");
    let mut subpath = hello(&[]);
    subpath.launch.mounts = vec![mount(
        "/in",
        MountSource::Volume(VolumeMount {
            subpath: "in/it".to_owned(),
            ..volume("sub")
        }),
    )];
    let mut check = hello(&[]);
    check.launch.health_check = Some(HealthCheck {
        start_interval: Some(Duration::from_secs(1)),
        ..HealthCheck::default()
    });
    for (work, minor, field) in [
        (subpath, 45, "mounts[0].volume.subpath"),
        (check, 44, "health_check.start_interval"),
    ] {
        if version < skep_docker::ApiVersion::new(1, minor) {
            let text = node.refusal(work).await;
            assert!(
                text.contains(&format!("has API {version}, and this needs 1.{minor}")),
                "{text}"
            );
            assert!(text.ends_with(&format!("(field {field})")), "{text}");
        }
    }
    assert!(node.executor.list().is_empty());
}
