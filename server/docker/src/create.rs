// SPDX-License-Identifier: Apache-2.0
//! What to ask of the engine for a task. What the engine's version cannot do is refused by name
//! here, because engines leave out in silence what they do not know.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, PortBinding, PortMap,
    ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use skep_agent::executor::{ContainerWork, ExecutorError};
use skep_core::model::{
    Container, HealthCheck, LogDriver, Port, Probe, ResourceLimits, Resources, Security, signal,
};

use crate::labels::Owner;
use crate::mounts;
use crate::version::{ApiVersion, Feature};

/// How much of a container's output is kept unless a spec says otherwise: three files of 10 MB.
const LOG_OPTIONS: [(&str, &str); 2] = [("max-size", "10m"), ("max-file", "3")];

/// The least memory that the engine sets aside: less it refuses.
const RESERVATION_BYTES_MIN: u64 = 6 << 20;

/// What the engine counts for one whole CPU when CPUs are short.
const SHARES_PER_CPU: u64 = 1_024;

/// The least that the kernel takes.
const SHARES_MIN: u64 = 2;

/// The container for a task.
///
/// # Errors
/// If the engine's version cannot do what the work asks for.
pub(crate) fn body(
    work: &ContainerWork,
    owner: Owner,
    address: IpAddr,
    engine: ApiVersion,
) -> Result<ContainerCreateBody, ExecutorError> {
    let container = &work.launch.container;
    let health = work.launch.health_check.as_ref();
    let health = health
        .map(|check| health_config(check, engine))
        .transpose()?;
    let own_signal = work.stop.signal == signal::OWN;
    Ok(ContainerCreateBody {
        image: Some(container.image.clone()),
        entrypoint: filled(&container.command),
        cmd: filled(&container.args),
        env: Some(env(&container.env)),
        working_dir: text(&container.dir),
        user: text(&container.user),
        hostname: text(&container.hostname),
        labels: Some(owner.labels(work)),
        tty: Some(container.tty),
        exposed_ports: Some(work.ports.iter().map(inside).collect()),
        healthcheck: health.flatten(),
        stop_signal: (!own_signal).then(|| work.stop.signal.to_string()),
        stop_timeout: i64::try_from(work.stop.grace.as_secs()).ok(),
        host_config: Some(HostConfig {
            port_bindings: Some(bindings(&work.ports, address)),
            ..host_config(work, engine)?
        }),
        ..ContainerCreateBody::default()
    })
}

fn host_config(work: &ContainerWork, engine: ApiVersion) -> Result<HostConfig, ExecutorError> {
    let container = &work.launch.container;
    let mounts::Mounts { mounts, binds } = mounts::mounts(&work.launch.mounts, engine)?;
    let config = HostConfig {
        // The engine must not start anything again behind the managers' back, nor remove what
        // they still want to look at.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        auto_remove: Some(false),
        mounts: filled(&mounts),
        binds: filled(&binds),
        log_config: Some(log_config(work.launch.log_driver.as_ref())),
        init: container.init.then_some(true),
        readonly_rootfs: Some(container.read_only),
        cap_add: filled(&container.capabilities_add),
        cap_drop: filled(&container.capabilities_drop),
        sysctls: Some(owned(&container.sysctls)),
        ulimits: Some(ulimits(container)),
        group_add: filled(&container.groups),
        extra_hosts: Some(hosts(container)),
        dns: Some(
            container
                .dns
                .servers
                .iter()
                .map(IpAddr::to_string)
                .collect(),
        ),
        dns_search: filled(&container.dns.search),
        dns_options: filled(&container.dns.options),
        oom_score_adj: Some(i64::from(container.oom_score_adj)),
        security_opt: Some(security(&container.security)),
        ..HostConfig::default()
    };
    Ok(with_resources(config, work.limits, work.reservations))
}

fn with_resources(
    config: HostConfig,
    limits: ResourceLimits,
    reservations: Resources,
) -> HostConfig {
    let bytes = |bytes: u64| i64::try_from(bytes).ok().filter(|bytes| *bytes > 0);
    let shares = u64::from(reservations.cpu_millis) * SHARES_PER_CPU / 1_000;
    let reserved = Some(reservations.memory_bytes).filter(|n| *n >= RESERVATION_BYTES_MIN);
    HostConfig {
        nano_cpus: bytes(u64::from(limits.cpu_millis) * 1_000_000),
        memory: bytes(limits.memory_bytes),
        // Equal to the limit: no swap on top of it. The engine's default would be as much again.
        memory_swap: bytes(limits.memory_bytes),
        pids_limit: bytes(u64::from(limits.pids)),
        cpu_shares: (reservations.cpu_millis > 0)
            .then(|| i64::try_from(shares.max(SHARES_MIN)).unwrap_or(i64::MAX)),
        memory_reservation: reserved.and_then(bytes),
        ..config
    }
}

/// The engine's own check, at the times at which an agent asks: often in the first time, if the
/// engine can. What is asked from outside of the container is asked by the agent, so the engine
/// asks nothing then.
fn health_config(
    check: &HealthCheck,
    engine: ApiVersion,
) -> Result<Option<HealthConfig>, ExecutorError> {
    let test = match &check.probe {
        None => Vec::new(),
        Some(Probe::Exec { command }) => {
            let words = std::iter::once("CMD".to_owned()).chain(command.iter().cloned());
            words.collect()
        }
        Some(_) => {
            let test = Some(vec!["NONE".to_owned()]);
            return Ok(Some(HealthConfig {
                test,
                ..HealthConfig::default()
            }));
        }
    };
    let too_old = Feature::StartInterval.problem(engine);
    let (start_period, start_interval) = match (&check.probe, too_old) {
        (_, Some(problem)) if check.start_interval.is_some() => {
            const FIELD: &str = "health_check.start_interval";
            return Err(ExecutorError::refused(FIELD, problem));
        }
        (Some(_), None) => (Some(check.first_time()), Some(check.start_interval())),
        _ => (check.start_period, check.start_interval),
    };
    let nanos = |time: Option<Duration>| {
        time.map(|time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
    };
    Ok(Some(HealthConfig {
        // Nothing: the image's own, with these times.
        test: filled(&test),
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        retries: (check.retries > 0).then_some(i64::from(check.retries)),
        start_period: nanos(start_period),
        start_interval: nanos(start_interval),
    }))
}

fn log_config(driver: Option<&LogDriver>) -> HostConfigLogConfig {
    let (name, mut options) = match driver {
        None => ("", HashMap::new()),
        Some(driver) => (driver.name.as_str(), owned(&driver.options)),
    };
    let name = if name.is_empty() { "json-file" } else { name };
    if name == "json-file" {
        for (key, value) in LOG_OPTIONS {
            options
                .entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
        }
    }
    HostConfigLogConfig {
        typ: Some(name.to_owned()),
        config: Some(options),
    }
}

fn security(security: &Security) -> Vec<String> {
    let mut options = Vec::new();
    if security.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    if security.seccomp_unconfined {
        options.push("seccomp=unconfined".to_owned());
    }
    if !security.apparmor.is_empty() {
        options.push(format!("apparmor={}", security.apparmor));
    }
    let names = ["user", "role", "type", "level"];
    // A level may have colons of its own: "s0:c1,c2".
    let parts = security.selinux.splitn(names.len(), ':');
    let labels = names.iter().zip(parts).filter(|(_, part)| !part.is_empty());
    options.extend(labels.map(|(name, part)| format!("label={name}:{part}")));
    options
}

fn ulimits(container: &Container) -> Vec<ResourcesUlimits> {
    let limits = container
        .ulimits
        .iter()
        .map(|(name, limit)| ResourcesUlimits {
            name: Some(name.clone()),
            soft: Some(limit.soft),
            hard: Some(limit.hard),
        });
    limits.collect()
}

fn hosts(container: &Container) -> Vec<String> {
    let lines = container.hosts.iter().flat_map(|entry| {
        let ip = entry.ip;
        entry.names.iter().map(move |name| format!("{name}:{ip}"))
    });
    lines.collect()
}

/// A port inside, as the engine writes it.
fn inside(port: &Port) -> String {
    format!("{}/{}", port.target, port.protocol.as_str())
}

/// Each port inside, and where it is reachable: at the node's own address, on the number that the
/// agent chose. An address of its own inside the engine would be nobody's but this machine's.
fn bindings(ports: &[Port], address: IpAddr) -> PortMap {
    let mut bindings = PortMap::new();
    for port in ports {
        let bound = bindings
            .entry(inside(port))
            .or_default()
            .get_or_insert_default();
        let binding = PortBinding {
            host_ip: Some(address.to_string()),
            host_port: Some(port.published.to_string()),
        };
        if !bound.contains(&binding) {
            bound.push(binding);
        }
    }
    bindings
}

fn env(env: &BTreeMap<String, String>) -> Vec<String> {
    env.iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

fn owned(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn filled<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

#[cfg(test)]
mod tests;
