// SPDX-License-Identifier: Apache-2.0
//! `service inspect --pretty`, in the order and words of Docker's.

use std::fmt::Write;

use skep_sdk::Identified;
use skep_sdk::v1::condition::Status as Truth;
use skep_sdk::v1::port::Mode as PortMode;
use skep_sdk::v1::restart_policy;
use skep_sdk::v1::service_spec::Mode;
use skep_sdk::v1::{
    Condition, Placement, Port, Process, ResourceLimits, Resources, RestartPolicy, Service,
    ServiceSpec, ServiceStatus, StopPolicy, TaskTemplate,
};

use super::container_pretty;
use super::service::{container_of, process_of, quote};
use super::span_text;
use crate::parse::constraint::format_requirement;
use crate::parse::publish::{mode_of, protocol_of, protocol_word};
use crate::parse::quantity::{format_bytes, format_cpus};
use crate::parse::ulimit::format_ulimit;

/// The text, between two empty lines. What is not set is left out.
pub(crate) fn text(service: &Service) -> String {
    let mut page = Page(String::from("\n"));
    let spec = service.spec.clone().unwrap_or_default();
    let status = service.status.clone().unwrap_or_default();
    page.line("ID", service.id());
    page.line("Name", &spec.name);
    if !spec.labels.is_empty() {
        page.0.push_str("Labels:\n");
        for (key, value) in &spec.labels {
            page.0.push_str(&format!(" {key}={value}\n"));
        }
    }
    mode(&mut page, &spec, &status);
    state(&mut page, &status);
    let template = spec.template.clone().unwrap_or_default();
    placement(&mut page, template.placement.as_ref());
    if let Some(found) = process_of(&spec) {
        process(&mut page, found);
    }
    if let Some(found) = container_of(&spec) {
        container_pretty::container(&mut page, found, &template, &status.image);
    }
    resources(&mut page, &template);
    restart(&mut page, template.restart.as_ref());
    stop(&mut page, template.stop.as_ref());
    ports(&mut page, &status.ports);
    page.0.push('\n');
    page.0
}

pub(super) struct Page(pub(super) String);

impl Page {
    /// `Name:` and a value behind tabs, so that values stand below one another.
    pub(super) fn line(&mut self, name: &str, value: &str) {
        let tabs = if name.len() < 7 { "\t\t" } else { "\t" };
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{name}:{tabs}{value}");
    }

    pub(super) fn text_if(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.line(name, value);
        }
    }

    fn span_if(&mut self, name: &str, span: Option<prost_types::Duration>) {
        if let Some(span) = span {
            self.line(name, &span_text(span));
        }
    }

    pub(super) fn number_if(&mut self, name: &str, number: u32) {
        if number > 0 {
            self.line(name, &number.to_string());
        }
    }
}

fn mode(page: &mut Page, spec: &ServiceSpec, status: &ServiceStatus) {
    match &spec.mode {
        Some(Mode::EveryNode(_)) => page.line("Service Mode", "Global"),
        Some(Mode::Replicated(_)) | None => {
            page.line("Service Mode", "Replicated");
            page.line(" Replicas", &status.desired_tasks.to_string());
        }
    }
}

fn state(page: &mut Page, status: &ServiceStatus) {
    page.0.push_str("Status:\n");
    let tasks = format!(
        "{} of {} running, {} up to date, {} pending, {} failed",
        status.running_tasks,
        status.desired_tasks,
        status.updated_tasks,
        status.pending_tasks,
        status.failed_tasks
    );
    page.line(" Tasks", &tasks);
    for condition in &status.conditions {
        page.line(
            &format!(" {}", capitalised(&condition.r#type)),
            &truth(condition),
        );
    }
}

/// `CONVERGED` as `Converged`.
fn capitalised(name: &str) -> String {
    let mut rest = name.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first
        .chain(rest.flat_map(char::to_lowercase))
        .collect::<String>()
        .replace('_', " ")
}

fn truth(condition: &Condition) -> String {
    let word = match condition.status() {
        Truth::True => "yes",
        Truth::False => "no",
        Truth::Unknown | Truth::Unspecified => "unknown",
    };
    match (condition.reason.as_str(), condition.message.as_str()) {
        ("", "") => word.to_owned(),
        (reason, "") => format!("{word} ({reason})"),
        ("", message) => format!("{word} ({message})"),
        (reason, message) => format!("{word} ({reason}: {message})"),
    }
}

fn placement(page: &mut Page, placement: Option<&Placement>) {
    let Some(placement) = placement else { return };
    page.0.push_str("Placement:\n");
    let requirements: Vec<String> = placement
        .requirements
        .iter()
        .map(format_requirement)
        .collect();
    page.text_if(" Constraints", &requirements.join(", "));
    let spread: Vec<String> = placement
        .spread
        .iter()
        .map(|key| format!("spread={key}"))
        .collect();
    page.text_if(" Preferences", &spread.join(", "));
    page.number_if(" Max Replicas Per Node", placement.max_replicas_per_node);
}

fn process(page: &mut Page, process: &Process) {
    page.0.push_str("ProcessSpec:\n");
    page.line(" Command", &quote(process.command.iter()));
    page.text_if(" Args", &quote(process.args.iter()));
    let env: Vec<String> = process
        .env
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    page.text_if(" Env", &env.join(" "));
    page.text_if(" Dir", &process.dir);
    page.text_if(" User", &process.user);
    page.text_if(" Groups", &process.groups.join(" "));
    let ulimits: Vec<String> = process
        .ulimits
        .iter()
        .map(|(k, v)| format_ulimit(k, v))
        .collect();
    page.text_if(" Ulimits", &ulimits.join(" "));
}

fn resources(page: &mut Page, template: &TaskTemplate) {
    if template.reservations.is_none() && template.limits.is_none() {
        return;
    }
    page.0.push_str("Resources:\n");
    if let Some(Resources {
        cpu_millis,
        memory_bytes,
    }) = template.reservations
    {
        page.0.push_str(" Reservations:\n");
        cpu_and_memory(page, cpu_millis, memory_bytes);
    }
    if let Some(ResourceLimits {
        cpu_millis,
        memory_bytes,
        pids,
    }) = template.limits
    {
        page.0.push_str(" Limits:\n");
        cpu_and_memory(page, cpu_millis, memory_bytes);
        page.number_if("  PIDs", pids);
    }
}

fn cpu_and_memory(page: &mut Page, cpu_millis: u32, memory_bytes: u64) {
    if cpu_millis > 0 {
        page.line("  CPU", &format_cpus(cpu_millis));
    }
    if memory_bytes > 0 {
        page.line("  Memory", &format_bytes(memory_bytes));
    }
}

fn restart(page: &mut Page, restart: Option<&RestartPolicy>) {
    let Some(restart) = restart else { return };
    page.0.push_str("RestartPolicy:\n");
    let condition = match restart.condition() {
        restart_policy::Condition::None => "none",
        restart_policy::Condition::OnFailure => "on-failure",
        restart_policy::Condition::Any | restart_policy::Condition::Unspecified => "any",
    };
    page.line(" Condition", condition);
    page.span_if(" Delay", restart.delay);
    page.span_if(" Max Delay", restart.max_delay);
    page.number_if(" Max Attempts", restart.max_attempts);
    page.span_if(" Window", restart.window);
}

fn stop(page: &mut Page, stop: Option<&StopPolicy>) {
    let Some(stop) = stop else { return };
    page.0.push_str("StopPolicy:\n");
    page.text_if(" Signal", &stop.signal);
    page.span_if(" Grace Period", stop.grace);
    page.span_if(" Drain", stop.drain);
}

fn ports(page: &mut Page, ports: &[Port]) {
    if ports.is_empty() {
        return;
    }
    page.0.push_str("Ports:\n");
    for port in ports {
        let mode = match mode_of(port) {
            PortMode::Host => "host",
            PortMode::Ingress | PortMode::Unspecified => "ingress",
        };
        page.0.push_str(&format!(
            " PublishedPort = {}\n  Protocol = {}\n  TargetPort = {}\n  PublishMode = {mode}\n",
            port.published,
            protocol_word(protocol_of(port)),
            port.target
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_service_is_shown_for_people() {
        crate::golden::check("service-pretty.txt", &text(&sample::service()));
        crate::golden::check(
            "service-pretty-global.txt",
            &text(&sample::global_service()),
        );
    }
}
