// SPDX-License-Identifier: Apache-2.0
//! `node inspect --pretty`, in the order and words of Docker's.

use std::fmt::Write;
use std::time::SystemTime;

use skep_sdk::Identified;
use skep_sdk::v1::condition::Status as Truth;
use skep_sdk::v1::manager_status::State;
use skep_sdk::v1::{Node, NodeStatus, Resources};

use super::age;
use crate::output::human::ago;
use crate::output::words;
use crate::parse::quantity::{format_bytes, format_cpus};

/// The text.
pub(crate) fn text(node: &Node, now: SystemTime) -> String {
    let spec = node.spec.clone().unwrap_or_default();
    let status = node.status.clone().unwrap_or_default();
    let mut page = String::new();
    line(&mut page, "ID", node.id());
    line(&mut page, "Name", &spec.name);
    if !spec.labels.is_empty() {
        page.push_str("Labels:\n");
        spec.labels
            .iter()
            .for_each(|(key, value)| page.push_str(&format!(" - {key}={value}\n")));
    }
    line(&mut page, "Hostname", &status.hostname);
    let joined = node
        .meta
        .as_ref()
        .and_then(|meta| meta.create_time.as_ref());
    line(&mut page, "Joined", &ago(age(joined, now)));
    page.push_str("Status:\n");
    line(&mut page, " State", &state(&status));
    line(
        &mut page,
        " Availability",
        words::availability(spec.availability()),
    );
    line(&mut page, " Address", &status.address);
    line(&mut page, " Active Tasks", &status.active_tasks.to_string());
    for condition in status
        .conditions
        .iter()
        .filter(|c| c.status() == Truth::True)
    {
        line(
            &mut page,
            &format!(" {}", condition.r#type),
            &condition.message,
        );
    }
    manager(&mut page, &status);
    if let Some(platform) = &status.platform {
        page.push_str("Platform:\n");
        line(&mut page, " Operating System", &platform.os);
        line(&mut page, " Architecture", &platform.architecture);
    }
    resources(&mut page, "Resources", status.capacity.as_ref());
    resources(&mut page, "Reserved", status.reserved.as_ref());
    line(&mut page, "Capabilities", &status.capabilities.join(", "));
    line(&mut page, "Version", &status.version);
    page
}

/// A name and a value, values below one another.
fn line(page: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{:<24}{value}", format!("{name}:"));
}

fn state(status: &NodeStatus) -> String {
    let word = words::node_state(status.state());
    if status.message.is_empty() {
        word.to_owned()
    } else {
        format!("{word} ({})", status.message)
    }
}

fn manager(page: &mut String, status: &NodeStatus) {
    let Some(manager) = &status.manager else {
        return;
    };
    page.push_str("Manager Status:\n");
    line(
        page,
        " Raft Status",
        if manager.reachable {
            "Reachable"
        } else {
            "Unreachable"
        },
    );
    line(
        page,
        " Leader",
        if manager.state() == State::Leader {
            "Yes"
        } else {
            "No"
        },
    );
}

fn resources(page: &mut String, name: &str, resources: Option<&Resources>) {
    let Some(Resources {
        cpu_millis,
        memory_bytes,
    }) = resources
    else {
        return;
    };
    page.push_str(&format!("{name}:\n"));
    line(page, " CPUs", &format_cpus(*cpu_millis));
    line(page, " Memory", &format_bytes(*memory_bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_node_is_shown_for_people() {
        let mut lost = sample::lost_node("node-2");
        let condition = sample::condition(
            "PORT_IN_USE",
            Truth::True,
            "BIND",
            "8080/tcp is held by a program",
        );
        lost.status
            .get_or_insert_default()
            .conditions
            .push(condition);
        crate::golden::check(
            "node-pretty.txt",
            &text(&sample::node("node-1"), sample::now()),
        );
        crate::golden::check("node-pretty-lost.txt", &text(&lost, sample::now()));
    }
}
