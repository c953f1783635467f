// SPDX-License-Identifier: Apache-2.0
//! What the flags of containers and health checks set.

use skep_sdk::v1::health_check::Probe;
use skep_sdk::v1::task_template::Workload;
use skep_sdk::v1::{Container, DnsConfig, ExecProbe, HealthCheck, HostEntry, Mount, TaskTemplate};

use super::edit::{Change, Notices, edit, edit_map};
use super::proto_duration;
use crate::commands::service::container_flags::{
    ContainerCreateFlags, ContainerFlags, ContainerUpdateFlags,
};
use crate::parse::host::Unhost;

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
    if let Some(unpinned) = flags.no_resolve_image {
        container(template, "--no-resolve-image")?.unpinned = unpinned;
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
    let before = template.health_check.clone().unwrap_or_default();
    let mut check = before.clone();
    if flags.no_healthcheck == Some(false) && check.probe == Some(Probe::Disabled(true)) {
        check.probe = None;
    }
    let command = flags.health_cmd.as_ref().map(|text| {
        let command = ["/bin/sh", "-c", text].map(str::to_owned).into();
        Probe::Exec(ExecProbe { command })
    });
    let asked = command
        .or_else(|| flags.health_http.clone())
        .or_else(|| flags.health_tcp.clone())
        .or_else(|| flags.health_grpc.clone())
        .or_else(|| (flags.no_healthcheck == Some(true)).then_some(Probe::Disabled(true)));
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
    if check != before {
        template.health_check = (check != HealthCheck::default()).then_some(check);
    }
}

/// Takes over the flags that `create` alone has.
pub(super) fn apply_new(
    flags: &ContainerCreateFlags,
    template: &mut TaskTemplate,
) -> Result<(), String> {
    let lists = Lists {
        is_new: true,
        mounts: Change::only(&flags.mount),
        hosts: Change::only(&flags.hosts),
        labels: Change::only(&flags.container_label),
        sysctls: Change::only(&flags.sysctl),
        dns_servers: Change::only(&flags.dns),
        dns_options: Change::only(&flags.dns_option),
        dns_search: Change::only(&flags.dns_search),
    };
    lists.apply(template, &mut Notices::default())?;
    for (flag, given, pick) in [
        ("--cap-add", &flags.cap_add, capabilities_add as Texts),
        ("--cap-drop", &flags.cap_drop, capabilities_drop),
    ] {
        if !given.is_empty() {
            pick(container(template, flag)?).clone_from(given);
        }
    }
    Ok(())
}

/// Takes over the flags that `update` alone has.
pub(super) fn apply_changes(
    flags: &ContainerUpdateFlags,
    template: &mut TaskTemplate,
    notices: &mut Notices,
) -> Result<(), String> {
    let lists = Lists {
        is_new: false,
        mounts: Change::both(&flags.mount_rm, &flags.mount_add),
        hosts: Change::both(&flags.host_rm, &flags.host_add),
        labels: Change::both(&flags.container_label_rm, &flags.container_label_add),
        sysctls: Change::both(&flags.sysctl_rm, &flags.sysctl_add),
        dns_servers: Change::both(&flags.dns_rm, &flags.dns_add),
        dns_options: Change::both(&flags.dns_option_rm, &flags.dns_option_add),
        dns_search: Change::both(&flags.dns_search_rm, &flags.dns_search_add),
    };
    lists.apply(template, notices)?;
    apply_capabilities(flags, template)
}

/// A list of texts within a container.
type Texts = fn(&mut Container) -> &mut Vec<String>;

/// What flags change in the lists and maps of a container.
struct Lists<'a> {
    /// Whether the service is new, so that flags have no `-add` and `-rm`.
    is_new: bool,
    mounts: Change<'a, String, Mount>,
    hosts: Change<'a, Unhost, HostEntry>,
    labels: Change<'a, String, (String, String)>,
    sysctls: Change<'a, String, (String, String)>,
    dns_servers: Change<'a, String, String>,
    dns_options: Change<'a, String, String>,
    dns_search: Change<'a, String, String>,
}

impl Lists<'_> {
    fn apply(&self, template: &mut TaskTemplate, notices: &mut Notices) -> Result<(), String> {
        edit(&mut template.mounts, "mount", self.mounts, notices);
        if !self.hosts.is_empty() {
            let inside = container(template, &self.flag("host", self.hosts))?;
            edit(&mut inside.hosts, "host", self.hosts, notices);
        }
        if !self.labels.is_empty() {
            let inside = container(template, &self.flag("container-label", self.labels))?;
            edit_map(&mut inside.labels, "container label", self.labels, notices);
        }
        if !self.sysctls.is_empty() {
            let inside = container(template, &self.flag("sysctl", self.sysctls))?;
            edit_map(
                &mut inside.sysctls,
                "kernel parameter",
                self.sysctls,
                notices,
            );
        }
        self.apply_dns(template, notices)
    }

    fn apply_dns(&self, template: &mut TaskTemplate, notices: &mut Notices) -> Result<(), String> {
        for (flag, what, change, pick) in [
            ("dns", "name server", self.dns_servers, dns_servers as Texts),
            (
                "dns-option",
                "resolver option",
                self.dns_options,
                dns_options,
            ),
            ("dns-search", "search domain", self.dns_search, dns_search),
        ] {
            if !change.is_empty() {
                let inside = container(template, &self.flag(flag, change))?;
                edit(pick(inside), what, change, notices);
                // Settings that say nothing are none.
                inside.dns.take_if(|dns| *dns == DnsConfig::default());
            }
        }
        Ok(())
    }

    /// The flag that was given.
    fn flag<Gone, New>(&self, stem: &str, change: Change<'_, Gone, New>) -> String {
        match (self.is_new, stem) {
            (true, "host") => "--add-host".to_owned(),
            (true, stem) => format!("--{stem}"),
            (false, stem) if change.new.is_empty() => format!("--{stem}-rm"),
            (false, stem) => format!("--{stem}-add"),
        }
    }
}

/// Adds and drops capabilities as Docker does: what was dropped and is to be added is dropped no
/// longer, and the other way round. What both flags name is added.
fn apply_capabilities(
    flags: &ContainerUpdateFlags,
    template: &mut TaskTemplate,
) -> Result<(), String> {
    let is_same = |one: &str, other: &str| plain(one) == plain(other);
    let is_added = |name: &&String| flags.cap_add.iter().any(|added| is_same(added, name));
    let dropped: Vec<String> = flags
        .cap_drop
        .iter()
        .filter(|name| !is_added(name))
        .cloned()
        .collect();
    for (flag, names, to, from) in [
        (
            "--cap-add",
            &flags.cap_add,
            capabilities_add as Texts,
            capabilities_drop as Texts,
        ),
        ("--cap-drop", &dropped, capabilities_drop, capabilities_add),
    ] {
        for name in names {
            let inside = container(template, flag)?;
            let before = from(inside).len();
            from(inside).retain(|known| !is_same(known, name));
            let was_there = from(inside).len() < before;
            if !was_there && !to(inside).iter().any(|known| is_same(known, name)) {
                to(inside).push(name.clone());
            }
        }
    }
    Ok(())
}

/// A capability without what may be left out: `NET_ADMIN` of `cap_net_admin`.
fn plain(capability: &str) -> String {
    let upper = capability.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

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
