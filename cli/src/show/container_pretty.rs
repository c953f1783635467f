// SPDX-License-Identifier: Apache-2.0
//! For people, as parts of their service: a container, its mounts, its log, and the check of its
//! health, which programs have too.

use std::collections::BTreeMap;

use skep_sdk::v1::container::PullPolicy;
use skep_sdk::v1::health_check::Probe;
use skep_sdk::v1::mount::Source;
use skep_sdk::v1::{Container, HealthCheck, LogDriver, Mount, Security};

use super::runs::quote;
use super::service_pretty::Page;
use crate::parse::ulimit::format_ulimit;

/// What runs. `pinned` is the image with its digest, if that is known.
pub(super) fn container(page: &mut Page, container: &Container, pinned: &str) {
    page.heading("ContainerSpec");
    let image = match pinned {
        "" => &container.image,
        pinned => pinned,
    };
    page.line(" Image", image);
    page.text_if(" Pull", pull(container.pull()));
    page.flag_if(" Unpinned", container.unpinned);
    page.text_if(" Command", &quote(container.command.iter()));
    page.text_if(" Args", &quote(container.args.iter()));
    page.text_if(" Env", &pairs(&container.env));
    page.text_if(" Dir", &container.dir);
    page.flag_if(" Init", container.init);
    page.text_if(" User", &container.user);
    page.text_if(" Groups", &container.groups.join(" "));
    page.text_if(" Hostname", &container.hostname);
    surroundings(page, container);
}

/// What a container sees and may do.
fn surroundings(page: &mut Page, container: &Container) {
    let hosts: Vec<String> = container
        .hosts
        .iter()
        .map(|line| format!("{}:{}", line.names.join(","), line.ip))
        .collect();
    page.text_if(" Hosts", &hosts.join(" "));
    if let Some(dns) = &container.dns {
        page.text_if(" DNS Servers", &dns.servers.join(" "));
        page.text_if(" DNS Search", &dns.search.join(" "));
        page.text_if(" DNS Options", &dns.options.join(" "));
    }
    page.text_if(" Labels", &pairs(&container.labels));
    page.flag_if(" TTY", container.tty);
    page.flag_if(" Read Only", container.read_only);
    page.text_if(" Capabilities", &capabilities(container));
    page.text_if(" Sysctls", &pairs(&container.sysctls));
    let ulimits: Vec<String> = container
        .ulimits
        .iter()
        .map(|(name, limit)| format_ulimit(name, limit))
        .collect();
    page.text_if(" Ulimits", &ulimits.join(" "));
    if container.oom_score_adj != 0 {
        page.line(" OOM Score", &container.oom_score_adj.to_string());
    }
    if let Some(security) = &container.security {
        confinement(page, security);
    }
}

fn confinement(page: &mut Page, security: &Security) {
    page.flag_if(" No New Privileges", security.no_new_privileges);
    page.text_if(" Seccomp", &security.seccomp);
    page.text_if(" AppArmor", &security.apparmor);
    page.text_if(" SELinux", &security.selinux);
}

fn pull(policy: PullPolicy) -> &'static str {
    match policy {
        PullPolicy::Unspecified => "",
        PullPolicy::Always => "always",
        PullPolicy::IfMissing => "missing",
        PullPolicy::Never => "never",
    }
}

/// Those added and, with a minus, those dropped.
fn capabilities(container: &Container) -> String {
    let added = container.capabilities_add.iter().map(|c| format!("+{c}"));
    let dropped = container.capabilities_drop.iter().map(|c| format!("-{c}"));
    added.chain(dropped).collect::<Vec<_>>().join(" ")
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    let all: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    quote(all.iter())
}

/// File systems, as Docker shows them.
pub(super) fn mounts(page: &mut Page, mounts: &[Mount]) {
    if mounts.is_empty() {
        return;
    }
    page.heading("Mounts");
    for mount in mounts {
        let (kind, source) = match &mount.source {
            Some(Source::Bind(bind)) => ("bind", bind.path.as_str()),
            Some(Source::Volume(volume)) => ("volume", volume.name.as_str()),
            Some(Source::Tmpfs(_)) => ("tmpfs", ""),
            None => ("", ""),
        };
        page.line(" Target", &mount.target);
        page.text_if("  Source", source);
        page.line("  ReadOnly", &mount.read_only.to_string());
        page.text_if("  Type", kind);
    }
}

/// Where output goes.
pub(super) fn log_driver(page: &mut Page, driver: Option<&LogDriver>) {
    let Some(driver) = driver else { return };
    page.heading("Log Driver");
    page.text_if(" Name", &driver.name);
    page.text_if(" LogOpts", &pairs(&driver.options));
}

/// How it is told that a task works.
pub(super) fn health(page: &mut Page, check: Option<&HealthCheck>) {
    let Some(check) = check else { return };
    page.heading("HealthCheck");
    page.line(" Probe", &probe(check));
    page.span_if(" Interval", check.interval);
    page.span_if(" Timeout", check.timeout);
    page.number_if(" Retries", check.retries);
    page.span_if(" Start Period", check.start_period);
    page.span_if(" Start Interval", check.start_interval);
}

fn probe(check: &HealthCheck) -> String {
    match &check.probe {
        Some(Probe::Exec(exec)) => quote(exec.command.iter()),
        Some(Probe::Http(http)) => format!("http {}{}", http.port, http.path),
        Some(Probe::Tcp(tcp)) => format!("tcp {}", tcp.port),
        Some(Probe::Grpc(grpc)) => format!("grpc {} {}", grpc.port, grpc.service)
            .trim_end()
            .to_owned(),
        Some(Probe::Disabled(_)) => "none".to_owned(),
        None => "the image's own".to_owned(),
    }
}
