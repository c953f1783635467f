// SPDX-License-Identifier: Apache-2.0
//! What the flags of containers and health checks set.

use skep_sdk::v1::health_check::Probe;
use skep_sdk::v1::task_template::Workload;
use skep_sdk::v1::{Container, ExecProbe, TaskTemplate};

use super::proto_duration;
use crate::commands::service::container_flags::{ContainerCreateFlags, ContainerFlags};

/// The container of a template.
pub(crate) fn container<'a>(
    template: &'a mut TaskTemplate,
    flag: &str,
) -> Result<&'a mut Container, String> {
    match &mut template.workload {
        Some(Workload::Container(container)) => Ok(container),
        _ => Err(format!(
            "{flag} is for containers, and this service runs a program on the nodes themselves"
        )),
    }
}

/// Takes over the flags that `create` and `update` share.
pub(crate) fn apply(flags: &ContainerFlags, template: &mut TaskTemplate) -> Result<(), String> {
    if let Some(name) = &flags.hostname {
        container(template, "--hostname")?.hostname.clone_from(name);
    }
    if let Some(init) = flags.init {
        container(template, "--init")?.init = init;
    }
    if let Some(read_only) = flags.read_only {
        container(template, "--read-only")?.read_only = read_only;
    }
    if let Some(tty) = flags.tty {
        container(template, "--tty")?.tty = tty;
    }
    if let Some(pull) = flags.pull {
        container(template, "--pull")?.pull = pull.into_proto().into();
    }
    if flags.no_resolve_image {
        container(template, "--no-resolve-image")?.unpinned = true;
    }
    if let Some(score) = flags.oom_score_adj {
        container(template, "--oom-score-adj")?.oom_score_adj = score;
    }
    apply_log(flags, template);
    apply_health(flags, template);
    Ok(())
}

fn apply_log(flags: &ContainerFlags, template: &mut TaskTemplate) {
    if let Some(driver) = &flags.log_driver {
        let known = template.log_driver.get_or_insert_default();
        // Options of another driver mean nothing to this one.
        if known.name != *driver {
            known.options.clear();
        }
        known.name.clone_from(driver);
    }
    if !flags.log_opt.is_empty() {
        let known = template.log_driver.get_or_insert_default();
        known.options.extend(flags.log_opt.iter().cloned());
    }
}

fn apply_health(flags: &ContainerFlags, template: &mut TaskTemplate) {
    let mut check = template.health_check.clone().unwrap_or_default();
    let command = flags.health_cmd.as_ref().map(|text| {
        let command = ["/bin/sh", "-c", text].map(str::to_owned).into();
        Probe::Exec(ExecProbe { command })
    });
    let asked = command
        .or_else(|| flags.health_http.clone())
        .or_else(|| flags.health_tcp.clone())
        .or_else(|| flags.health_grpc.clone())
        .or_else(|| flags.no_healthcheck.then_some(Probe::Disabled(true)));
    check.probe = asked.or(check.probe);
    for (flag, field) in [
        (flags.health_interval, &mut check.interval),
        (flags.health_timeout, &mut check.timeout),
        (flags.health_start_period, &mut check.start_period),
        (flags.health_start_interval, &mut check.start_interval),
    ] {
        *field = flag.map(proto_duration).or(*field);
    }
    check.retries = flags.health_retries.unwrap_or(check.retries);
    if check != template.health_check.clone().unwrap_or_default() {
        template.health_check = Some(check);
    }
}

/// Takes over the flags that `create` alone has.
pub(crate) fn apply_new(
    flags: &ContainerCreateFlags,
    template: &mut TaskTemplate,
) -> Result<(), String> {
    template.mounts.clone_from(&flags.mount);
    if !flags.container_label.is_empty() {
        let labels = flags.container_label.iter().cloned().collect();
        container(template, "--container-label")?.labels = labels;
    }
    if !flags.sysctl.is_empty() {
        let sysctls = flags.sysctl.iter().cloned().collect();
        container(template, "--sysctl")?.sysctls = sysctls;
    }
    if !flags.hosts.is_empty() {
        container(template, "--add-host")?
            .hosts
            .clone_from(&flags.hosts);
    }
    for (flag, given, pick) in [
        ("--cap-add", &flags.cap_add, capabilities_add as Pick),
        ("--cap-drop", &flags.cap_drop, capabilities_drop),
        ("--dns", &flags.dns, dns_servers),
        ("--dns-option", &flags.dns_option, dns_options),
        ("--dns-search", &flags.dns_search, dns_search),
    ] {
        if !given.is_empty() {
            pick(container(template, flag)?).clone_from(given);
        }
    }
    Ok(())
}

/// A list of texts within a container.
type Pick = fn(&mut Container) -> &mut Vec<String>;

fn capabilities_add(container: &mut Container) -> &mut Vec<String> {
    &mut container.capabilities_add
}

fn capabilities_drop(container: &mut Container) -> &mut Vec<String> {
    &mut container.capabilities_drop
}

fn dns_servers(container: &mut Container) -> &mut Vec<String> {
    &mut container.dns.get_or_insert_default().servers
}

fn dns_options(container: &mut Container) -> &mut Vec<String> {
    &mut container.dns.get_or_insert_default().options
}

fn dns_search(container: &mut Container) -> &mut Vec<String> {
    &mut container.dns.get_or_insert_default().search
}
