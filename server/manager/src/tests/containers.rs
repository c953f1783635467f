// SPDX-License-Identifier: Apache-2.0
//! Services of containers in which every field is set, and what is refused of them.

use skep_proto::v1;
use skep_proto::v1::health_check::Probe;
use skep_proto::v1::mount::Source;
use skep_proto::v1::task_template::Workload;

use super::desk::{Desk, spec, told};
use super::samples::{pairs, seconds};

/// One service for each kind of probe, with all the rest in each of them.
pub(super) fn full_services() -> Vec<v1::ServiceSpec> {
    let probes = [
        Probe::Exec(v1::ExecProbe {
            command: vec!["/bin/check".to_owned(), "-q".to_owned()],
        }),
        Probe::Http(v1::HttpProbe {
            port: 80,
            path: "/healthz?deep=1".to_owned(),
        }),
        Probe::Tcp(v1::TcpProbe { port: 80 }),
        Probe::Grpc(v1::GrpcProbe {
            port: 80,
            service: "web".to_owned(),
        }),
        Probe::Disabled(true),
    ];
    let service = |(number, probe)| {
        let mut spec = spec(&format!("box-{number}"));
        spec.mode = Some(v1::service_spec::Mode::Replicated(v1::Replicated::default()));
        spec.template = Some(full_template(probe));
        spec
    };
    probes.into_iter().enumerate().map(service).collect()
}

fn full_template(probe: Probe) -> v1::TaskTemplate {
    v1::TaskTemplate {
        workload: Some(Workload::Container(full_container())),
        health_check: Some(v1::HealthCheck {
            probe: Some(probe),
            interval: seconds(5),
            timeout: seconds(2),
            retries: 4,
            start_period: seconds(20),
            start_interval: seconds(1),
        }),
        mounts: full_mounts(),
        log_driver: Some(v1::LogDriver {
            name: "json-file".to_owned(),
            options: pairs("max-size", "5m"),
        }),
        ..v1::TaskTemplate::default()
    }
}

fn full_container() -> v1::Container {
    let limit = v1::Ulimit {
        soft: 1_024,
        hard: 4_096,
    };
    let texts = |text: &str| vec![text.to_owned()];
    v1::Container {
        image: "registry.example.com:5000/team/web:1.2".to_owned(),
        pull: v1::container::PullPolicy::IfMissing.into(),
        unpinned: true,
        command: texts("/entry"),
        args: texts("serve"),
        env: pairs("SLOT", "{{.Task.Slot}}"),
        dir: "/srv".to_owned(),
        user: "1000:1000".to_owned(),
        groups: texts("audio"),
        hostname: "web-{{.Task.Slot}}".to_owned(),
        hosts: vec![v1::HostEntry {
            ip: "192.0.2.7".to_owned(),
            names: texts("db"),
        }],
        dns: Some(v1::DnsConfig {
            servers: texts("192.0.2.53"),
            search: texts("example.com"),
            options: texts("ndots:2"),
        }),
        labels: pairs("team", "a"),
        init: true,
        tty: true,
        read_only: true,
        capabilities_add: texts("NET_ADMIN"),
        capabilities_drop: texts("ALL"),
        sysctls: pairs("net.core.somaxconn", "1024"),
        ulimits: [("nofile".to_owned(), limit)].into(),
        oom_score_adj: 10,
        security: Some(v1::Security {
            no_new_privileges: true,
            seccomp: "unconfined".to_owned(),
            apparmor: "docker-default".to_owned(),
            selinux: "u:r:t:s0".to_owned(),
        }),
    }
}

fn full_mounts() -> Vec<v1::Mount> {
    let sources = [
        Source::Bind(v1::BindMount {
            path: "/srv/{{.Node.Name}}".to_owned(),
            create: true,
            propagation: "rslave".to_owned(),
            non_recursive: true,
        }),
        Source::Volume(v1::VolumeMount {
            name: "data-{{.Task.Slot}}".to_owned(),
            driver: "local".to_owned(),
            options: pairs("type", "nfs"),
            labels: pairs("team", "a"),
            subpath: "web".to_owned(),
            no_copy: true,
        }),
        Source::Tmpfs(v1::TmpfsMount {
            size_bytes: 1 << 20,
            mode: "0700".to_owned(),
        }),
    ];
    let mount = |(number, source)| v1::Mount {
        target: format!("/mnt/{number}"),
        read_only: true,
        source: Some(source),
    };
    sources.into_iter().enumerate().map(mount).collect()
}

/// [`super::services::a_spec_is_kept_as_it_was_written`] for containers.
#[tokio::test]
async fn a_spec_of_a_container_is_kept_as_it_was_written() {
    let desk = Desk::new().await;
    for full in full_services() {
        let created = desk.create(full.clone()).await;
        assert_eq!(created.spec.as_ref(), Some(&full));
        assert_eq!(desk.get(&full.name).await.spec, Some(full));
    }
}

/// What a template says wrong, and the field that is named.
type Wrong = (fn(&mut v1::TaskTemplate), &'static str);

fn container(template: &mut v1::TaskTemplate) -> &mut v1::Container {
    match template.workload.as_mut() {
        Some(Workload::Container(container)) => container,
        other => panic!("{other:?} is no container"),
    }
}

#[tokio::test]
async fn what_no_node_could_run_is_refused_by_field() {
    let cases: [Wrong; 16] = [
        (|t| container(t).image.clear(), "container.image"),
        (|t| container(t).image = "Web:1".into(), "container.image"),
        (|t| container(t).dir = "srv".into(), "container.dir"),
        (
            |t| container(t).hostname = "{{.X}}".into(),
            "container.hostname",
        ),
        (
            |t| container(t).hosts[0].ip = "db".into(),
            "container.hosts[0].ip",
        ),
        (
            |t| container(t).hosts[0].names.clear(),
            "container.hosts[0].names",
        ),
        (
            |t| container(t).oom_score_adj = 1_001,
            "container.oom_score_adj",
        ),
        (
            |t| container(t).labels = pairs("skep.task", "1"),
            "container.labels[\"skep.task\"]",
        ),
        (
            |t| container(t).security.get_or_insert_default().seccomp = "mine".into(),
            "container.security.seccomp",
        ),
        (
            |t| container(t).dns.get_or_insert_default().servers = vec!["here".into()],
            "container.dns.servers[0]",
        ),
        (
            |t| t.mounts[1].target = "/mnt/0/".into(),
            "mounts[1].target",
        ),
        (|t| t.mounts[0].target = "mnt".into(), "mounts[0].target"),
        (|t| t.mounts[0].source = None, "mounts[0].bind"),
        (
            |t| {
                t.mounts[2].source = Some(Source::Tmpfs(v1::TmpfsMount {
                    size_bytes: 0,
                    mode: "rwx".into(),
                }))
            },
            "mounts[2].tmpfs.mode",
        ),
        (
            |t| {
                t.mounts[1].source = Some(Source::Volume(v1::VolumeMount {
                    subpath: "../x".into(),
                    ..v1::VolumeMount::default()
                }))
            },
            "mounts[1].volume.subpath",
        ),
        (
            |t| t.workload = super::desk::spec("x").template.and_then(|t| t.workload),
            "mounts",
        ),
    ];
    let desk = Desk::new().await;
    for (wrong, field) in cases {
        let mut spec = full_services().remove(0);
        wrong(spec.template.as_mut().expect("it has one"));
        let request = v1::CreateServiceRequest {
            spec: Some(spec),
            request_id: String::new(),
        };
        let refused = desk.services().create_service(request).await;
        let told = told(&refused.expect_err(field));
        let want = format!("spec.template.{field}");
        assert!(told.fields.contains(&want), "{field}: {:?}", told.fields);
    }
}

#[tokio::test]
async fn a_program_has_no_image_with_a_check_of_its_own() {
    let desk = Desk::new().await;
    let mut spec = spec("web");
    let template = spec.template.get_or_insert_default();
    template.health_check = Some(v1::HealthCheck {
        interval: seconds(1),
        ..v1::HealthCheck::default()
    });
    let request = v1::CreateServiceRequest {
        spec: Some(spec),
        request_id: String::new(),
    };
    let refused = desk.services().create_service(request).await;
    let told = told(&refused.expect_err("nothing is asked"));
    assert_eq!(told.fields, ["spec.template.health_check"]);
}
