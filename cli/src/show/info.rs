// SPDX-License-Identifier: Apache-2.0
//! `skep info`: the daemon and its swarm, in the words of the Swarm section of Docker's.

use std::fmt::Write;
use std::time::Duration;

use skep_sdk::Identified;
use skep_sdk::v1::{Daemon, NodeRole, Resources, Swarm, SwarmSpec, daemon};

use crate::output::human::span;
use crate::parse::quantity::{format_bytes, format_cpus};

/// The text. Settings that are not set show what then holds.
pub(crate) fn text(host: &str, daemon: &Daemon, swarm: Option<&Swarm>) -> String {
    let mut page = String::new();
    let mut line = |depth: usize, name: &str, value: &str| {
        let space = if value.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "{:depth$}{name}:{space}{value}", "");
    };
    line(0, "Client", "");
    line(1, "Version", env!("CARGO_PKG_VERSION"));
    line(1, "Host", host);
    line(0, "Server", "");
    line(1, "Version", &daemon.version);
    line(1, "Swarm", state(daemon.state()));
    if !daemon.error.is_empty() {
        line(2, "Error", &daemon.error);
    }
    if daemon.swarm.is_empty() {
        return page;
    }
    line(2, "NodeID", &daemon.node);
    let is_manager = daemon.role() == NodeRole::Manager;
    line(2, "Is Manager", if is_manager { "true" } else { "false" });
    if let Some(swarm) = swarm {
        swarm_lines(&mut line, swarm);
    }
    line(2, "Node Address", &daemon.address);
    page
}

fn state(state: daemon::State) -> &'static str {
    match state {
        daemon::State::Outside => "inactive",
        daemon::State::Member => "active",
        daemon::State::Error => "error",
        daemon::State::Unspecified => "unknown",
    }
}

fn swarm_lines(line: &mut impl FnMut(usize, &str, &str), swarm: &Swarm) {
    let spec = swarm.spec.clone().unwrap_or_default();
    let status = swarm.status.clone().unwrap_or_default();
    line(2, "ClusterID", swarm.id());
    if !spec.name.is_empty() {
        line(2, "Name", &spec.name);
    }
    line(2, "Managers", &status.managers.len().to_string());
    let nodes = status.nodes.unwrap_or_default();
    let others = match (nodes.down, nodes.unknown) {
        (0, 0) => String::new(),
        (down, 0) => format!(" ({down} down)"),
        (down, unknown) => format!(" ({down} down, {unknown} unknown)"),
    };
    line(2, "Nodes", &format!("{}{others}", nodes.total));
    line(2, "Capacity", &resources(status.capacity.as_ref()));
    line(2, "Reserved", &resources(status.reserved.as_ref()));
    settings(line, &spec);
}

fn resources(resources: Option<&Resources>) -> String {
    let Resources {
        cpu_millis,
        memory_bytes,
    } = resources.copied().unwrap_or_default();
    format!(
        "{} CPUs, {} memory",
        format_cpus(cpu_millis),
        format_bytes(memory_bytes)
    )
}

/// The settings, with the defaults that the contract gives for those that are not set.
fn settings(line: &mut impl FnMut(usize, &str, &str), spec: &SwarmSpec) {
    let time = |value: Option<prost_types::Duration>, default: u64| {
        let value = value.and_then(|value| Duration::try_from(value).ok());
        span(value.unwrap_or(Duration::from_secs(default)))
    };
    line(2, "Orchestration", "");
    let history = spec.task_history.unwrap_or(5);
    line(3, "Task History Retention Limit", &history.to_string());
    line(3, "Orphan After", &time(spec.orphan_after, 86_400));
    line(2, "Raft", "");
    line(
        3,
        "Snapshot Interval",
        &spec.snapshot_interval.unwrap_or(10_000).to_string(),
    );
    line(2, "Watch", "");
    line(3, "History", &time(spec.watch_history, 600));
    line(2, "Dispatcher", "");
    line(3, "Heartbeat Period", &time(spec.heartbeat_period, 1));
    line(3, "Down After", &time(spec.down_after, 15));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_member_shows_its_swarm() {
        let page = text(
            "unix:///run/skep/skep.sock",
            &sample::daemon(),
            Some(&sample::swarm()),
        );
        crate::golden::check("info.txt", &page);
    }

    #[test]
    fn a_daemon_outside_is_inactive() {
        let outside = Daemon {
            version: "0.1.0".into(),
            state: daemon::State::Outside.into(),
            ..Daemon::default()
        };
        let page = text("unix:///x", &outside, None);
        assert!(
            page.ends_with("Server:\n Version: 0.1.0\n Swarm: inactive\n"),
            "{page}"
        );
    }
}
