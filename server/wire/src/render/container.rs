// SPDX-License-Identifier: Apache-2.0
//! Containers, their mounts and checks, as they were written.

use skep_core::model::{
    Container, DnsConfig, HealthCheck, HostEntry, LogDriver, Mount, MountSource, Probe, PullPolicy,
    Security,
};
use skep_proto::v1;

use super::parts::duration;
use super::spec::{ulimits, unless_empty};

pub(super) fn container(container: &Container) -> v1::Container {
    use v1::container::PullPolicy as Pull;
    let pull = match container.pull {
        None => Pull::Unspecified,
        Some(PullPolicy::Always) => Pull::Always,
        Some(PullPolicy::IfMissing) => Pull::IfMissing,
        Some(PullPolicy::Never) => Pull::Never,
    };
    v1::Container {
        image: container.image.clone(),
        pull: pull.into(),
        unpinned: container.unpinned,
        command: container.command.clone(),
        args: container.args.clone(),
        env: container.env.clone(),
        dir: container.dir.clone(),
        user: container.user.clone(),
        groups: container.groups.clone(),
        hostname: container.hostname.clone(),
        hosts: container.hosts.iter().map(host).collect(),
        dns: unless_empty(dns(&container.dns)),
        labels: container.labels.clone(),
        init: container.init,
        tty: container.tty,
        read_only: container.read_only,
        capabilities_add: container.capabilities_add.clone(),
        capabilities_drop: container.capabilities_drop.clone(),
        sysctls: container.sysctls.clone(),
        ulimits: ulimits(&container.ulimits),
        oom_score_adj: container.oom_score_adj,
        security: unless_empty(security(&container.security)),
    }
}

fn host(entry: &HostEntry) -> v1::HostEntry {
    v1::HostEntry {
        ip: entry.ip.to_string(),
        names: entry.names.clone(),
    }
}

fn dns(dns: &DnsConfig) -> v1::DnsConfig {
    v1::DnsConfig {
        servers: dns.servers.iter().map(ToString::to_string).collect(),
        search: dns.search.clone(),
        options: dns.options.clone(),
    }
}

fn security(security: &Security) -> v1::Security {
    let seccomp = if security.seccomp_unconfined {
        "unconfined"
    } else {
        ""
    };
    v1::Security {
        no_new_privileges: security.no_new_privileges,
        seccomp: seccomp.to_owned(),
        apparmor: security.apparmor.clone(),
        selinux: security.selinux.clone(),
    }
}

pub(super) fn health_check(check: &HealthCheck) -> v1::HealthCheck {
    use v1::health_check::Probe as Message;
    let probe = check.probe.as_ref().map(|probe| match probe {
        Probe::Exec { command } => Message::Exec(v1::ExecProbe {
            command: command.clone(),
        }),
        Probe::Http { port, path } => Message::Http(v1::HttpProbe {
            port: (*port).into(),
            path: path.clone(),
        }),
        Probe::Tcp { port } => Message::Tcp(v1::TcpProbe {
            port: (*port).into(),
        }),
        Probe::Grpc { port, service } => Message::Grpc(v1::GrpcProbe {
            port: (*port).into(),
            service: service.clone(),
        }),
        Probe::Disabled => Message::Disabled(true),
    });
    v1::HealthCheck {
        probe,
        interval: check.interval.map(duration),
        timeout: check.timeout.map(duration),
        retries: check.retries,
        start_period: check.start_period.map(duration),
        start_interval: check.start_interval.map(duration),
    }
}

pub(super) fn mount(mount: &Mount) -> v1::Mount {
    use v1::mount::Source;
    let source = match &mount.source {
        MountSource::Bind(bind) => Source::Bind(v1::BindMount {
            path: bind.path.clone(),
            create: bind.create,
            propagation: bind.propagation.clone(),
            non_recursive: bind.non_recursive,
        }),
        MountSource::Volume(volume) => Source::Volume(v1::VolumeMount {
            name: volume.name.clone(),
            driver: volume.driver.clone(),
            options: volume.options.clone(),
            labels: volume.labels.clone(),
            subpath: volume.subpath.clone(),
            no_copy: volume.no_copy,
        }),
        MountSource::Tmpfs(memory) => Source::Tmpfs(v1::TmpfsMount {
            size_bytes: memory.size_bytes,
            mode: memory
                .mode
                .map(|mode| format!("{mode:04o}"))
                .unwrap_or_default(),
        }),
    };
    v1::Mount {
        target: mount.target.clone(),
        read_only: mount.read_only,
        source: Some(source),
    }
}

pub(super) fn log_driver(driver: &LogDriver) -> v1::LogDriver {
    v1::LogDriver {
        name: driver.name.clone(),
        options: driver.options.clone(),
    }
}
