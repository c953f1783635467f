// SPDX-License-Identifier: Apache-2.0
//! A service of containers, and revisions.

use skep_sdk::v1::condition::Status as Truth;
use skep_sdk::v1::task_template::Workload;
use skep_sdk::v1::*;

use super::{ago, condition, global_service, host_port, id, port, seconds, service};

/// A service of containers with all there is in its spec, whose roll-out is over.
pub(crate) fn updated_service() -> Service {
    let mut service = container_service();
    let status = service.status.get_or_insert_default();
    status.conditions = vec![condition("CONVERGED", Truth::True, "", "")];
    let rollout = status.rollout.get_or_insert_default();
    rollout.set_state(rollout::State::Completed);
    rollout.message = "update completed".into();
    (rollout.updated_tasks, rollout.updating_tasks) = (6, 0);
    service
}

/// A service of containers with all there is in its spec, whose roll-out paused.
pub(crate) fn container_service() -> Service {
    let web = service().spec.unwrap_or_default();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
    let container = Container {
        image: "example.com/team/web:1.2".into(),
        pull: container::PullPolicy::IfMissing.into(),
        unpinned: true,
        command: texts(&["/entry"]),
        args: texts(&["serve now"]),
        env: [pair("LEVEL", "info")].into(),
        dir: "/srv".into(),
        user: "www".into(),
        groups: texts(&["adm", "video"]),
        hostname: "web-{{.Task.Slot}}".into(),
        hosts: vec![HostEntry {
            ip: "192.0.2.7".into(),
            names: texts(&["db", "store"]),
        }],
        dns: Some(DnsConfig {
            servers: texts(&["192.0.2.53"]),
            search: texts(&["example.com"]),
            options: texts(&["ndots:2"]),
        }),
        labels: [pair("team", "shop")].into(),
        init: true,
        tty: true,
        read_only: true,
        capabilities_add: texts(&["NET_ADMIN"]),
        capabilities_drop: texts(&["ALL"]),
        sysctls: [pair("net.core.somaxconn", "1024")].into(),
        ulimits: [("nproc".into(), Ulimit { soft: 64, hard: 64 })].into(),
        oom_score_adj: -5,
        security: Some(Security {
            no_new_privileges: true,
            seccomp: "unconfined".into(),
            ..Security::default()
        }),
    };
    let mount = |target: &str, read_only, source| Mount {
        target: target.into(),
        read_only,
        source: Some(source),
    };
    let template = TaskTemplate {
        workload: Some(Workload::Container(container)),
        mounts: vec![
            mount(
                "/data",
                true,
                mount::Source::Bind(BindMount {
                    path: "/srv".into(),
                    ..BindMount::default()
                }),
            ),
            mount(
                "/cache",
                false,
                mount::Source::Volume(VolumeMount::default()),
            ),
            mount("/tmp", false, mount::Source::Tmpfs(TmpfsMount::default())),
        ],
        log_driver: Some(LogDriver {
            name: "json-file".into(),
            options: [pair("max-size", "5m")].into(),
        }),
        health_check: Some(HealthCheck {
            probe: Some(health_check::Probe::Http(HttpProbe {
                port: 80,
                path: "/healthz".into(),
            })),
            interval: seconds(5),
            timeout: seconds(2),
            retries: 4,
            start_period: seconds(20),
            start_interval: seconds(1),
        }),
        ..web.template.clone().unwrap_or_default()
    };
    let policy = UpdatePolicy {
        parallelism: Some(2),
        delay: seconds(3),
        order: update_policy::Order::StartFirst.into(),
        monitor: seconds(10),
        progress_deadline: seconds(300),
        max_failure_percent: 25,
        on_failure: update_policy::OnFailure::Rollback.into(),
    };
    let mut service = global_service();
    service.spec = Some(ServiceSpec {
        name: "shop".into(),
        template: Some(template),
        update: Some(policy),
        rollback: Some(UpdatePolicy {
            parallelism: Some(0),
            ..policy
        }),
        ..web
    });
    let status = service.status.get_or_insert_default();
    let why = "update paused: task shop.1 failed: exit code 1";
    status.conditions = vec![
        condition("CONVERGED", Truth::False, "ROLLOUT_PAUSED", why),
        condition("STALLED", Truth::True, "ROLLOUT_PAUSED", why),
    ];
    status.ports = vec![port(80, 8_080), host_port(9_100, 9_100)];
    status.rollout = Some(Rollout {
        state: rollout::State::Paused.into(),
        template_revision: 12,
        from_template_revision: 9,
        reason: "TASK_FAILED".into(),
        message: why.into(),
        start_time: ago(300),
        end_time: ago(40),
        next_step_time: None,
        total_tasks: 6,
        updated_tasks: 2,
        updating_tasks: 1,
        failed_tasks: 1,
        last_failed_task: id("tsk", 7),
    });
    service
}

/// What `web` was made from, newest first.
pub(crate) fn revisions() -> Vec<ServiceRevision> {
    let old = TaskTemplate {
        workload: Some(Workload::Container(Container {
            image: "web:1".into(),
            ..Container::default()
        })),
        ..TaskTemplate::default()
    };
    let revision = |number, good, template, changed: &[&str]| ServiceRevision {
        template_revision: number,
        create_time: ago(i64::try_from(1_200 / number).unwrap_or_default()),
        template: Some(template),
        good,
        running_tasks: u32::from(number == 12) * 2,
        caller: if number == 7 { "" } else { "uid:1000" }.into(),
        changed_paths: changed.iter().map(|path| (*path).to_owned()).collect(),
        ..ServiceRevision::default()
    };
    let now = service().spec.and_then(|spec| spec.template);
    vec![
        revision(
            12,
            false,
            now.unwrap_or_default(),
            &[
                "template.process",
                "template.restart",
                "template.placement.spread",
                "endpoint",
            ],
        ),
        revision(9, true, old.clone(), &["template.container.env"]),
        revision(7, true, old, &[]),
    ]
}
