// SPDX-License-Identifier: Apache-2.0
//! `service inspect --pretty`, in the order and words of Docker's.

use std::fmt::Write;
use std::time::SystemTime;

use skep_sdk::Identified;
use skep_sdk::v1::condition::Status as Truth;
use skep_sdk::v1::port::Mode as PortMode;
use skep_sdk::v1::restart_policy;
use skep_sdk::v1::service_spec::Mode;
use skep_sdk::v1::{
    Condition, Placement, Port, Process, ResourceLimits, Resources, RestartPolicy, Service,
    ServiceSpec, ServiceStatus, StopPolicy, TaskTemplate,
};

use super::runs::quote;
use super::service::{container_of, process_of};
use super::{age, container_pretty, rollout_pretty, span_text};
use crate::output::human::ago;
use crate::parse::constraint::format_requirement;
use crate::parse::publish::{mode_of, protocol_of, protocol_word};
use crate::parse::quantity::{format_bytes, format_cpus};
use crate::parse::ulimit::format_ulimit;

/// The text, between two empty lines. What is not set is left out.
pub(crate) fn text(service: &Service, now: SystemTime) -> String {
    let mut page = Page(String::from("\n"));
    let spec = service.spec.clone().unwrap_or_default();
    let status = service.status.clone().unwrap_or_default();
    page.line("ID", service.id());
    page.line("Name", &spec.name);
    if !spec.labels.is_empty() {
        page.heading("Labels");
        for (key, value) in &spec.labels {
            page.0.push_str(&format!(" {key}={value}\n"));
        }
    }
    mode(&mut page, &spec, &status);
    state(&mut page, &status, now);
    if let Some(found) = &status.rollout {
        rollout_pretty::rollout(&mut page, found, now);
    }
    let template = spec.template.clone().unwrap_or_default();
    placement(&mut page, template.placement.as_ref());
    rollout_pretty::policy(&mut page, "Update", spec.update.as_ref());
    rollout_pretty::policy(&mut page, "Rollback", spec.rollback.as_ref());
    if let Some(found) = process_of(&spec) {
        process(&mut page, found);
    }
    if let Some(found) = container_of(&spec) {
        container_pretty::container(&mut page, found, &status.image);
    }
    container_pretty::mounts(&mut page, &template.mounts);
    container_pretty::log_driver(&mut page, template.log_driver.as_ref());
    container_pretty::health(&mut page, template.health_check.as_ref());
    resources(&mut page, &template);
    restart(&mut page, template.restart.as_ref());
    stop(&mut page, template.stop.as_ref());
    ports(&mut page, &status.ports);
    page.0.push('\n');
    page.0
}

pub(super) struct Page(pub(super) String);

impl Page {
    /// What begins a part.
    pub(super) fn heading(&mut self, name: &str) {
        self.0.push_str(&format!("{name}:\n"));
    }

    /// A line for what holds.
    pub(super) fn flag_if(&mut self, name: &str, holds: bool) {
        if holds {
            self.line(name, "true");
        }
    }

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

    pub(super) fn span_if(&mut self, name: &str, span: Option<prost_types::Duration>) {
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

fn state(page: &mut Page, status: &ServiceStatus, now: SystemTime) {
    page.heading("Status");
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
            &truth(condition, now),
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

/// Whether it holds, since when, and why.
fn truth(condition: &Condition, now: SystemTime) -> String {
    let word = match condition.status() {
        Truth::True => "yes",
        Truth::False => "no",
        Truth::Unknown | Truth::Unspecified => "unknown",
    };
    let since = match &condition.transition_time {
        Some(time) => format!("{word} since {}", ago(age(Some(time), now)).to_lowercase()),
        None => word.to_owned(),
    };
    match (condition.reason.as_str(), condition.message.as_str()) {
        ("", "") => since,
        (reason, "") => format!("{since} ({reason})"),
        ("", message) => format!("{since} ({message})"),
        (reason, message) => format!("{since} ({reason}: {message})"),
    }
}

fn placement(page: &mut Page, placement: Option<&Placement>) {
    let Some(placement) = placement else { return };
    page.heading("Placement");
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
    page.heading("ProcessSpec");
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
    page.heading("Resources");
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
    page.heading("RestartPolicy");
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
    page.heading("StopPolicy");
    page.text_if(" Signal", &stop.signal);
    page.span_if(" Grace Period", stop.grace);
    page.span_if(" Drain", stop.drain);
}

fn ports(page: &mut Page, ports: &[Port]) {
    if ports.is_empty() {
        return;
    }
    page.heading("Ports");
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
        for (file, service) in [
            ("service-pretty.txt", sample::service()),
            ("service-pretty-global.txt", sample::global_service()),
            ("service-pretty-container.txt", sample::container_service()),
            ("service-pretty-updated.txt", sample::updated_service()),
        ] {
            crate::golden::check(file, &text(&service, sample::now()));
        }
    }

    #[test]
    fn a_program_is_shown_with_its_health_check() {
        let mut service = sample::service();
        let template = service.spec.as_mut().unwrap().template.as_mut().unwrap();
        let other = sample::container_service().spec.unwrap().template.unwrap();
        template.health_check = other.health_check;
        let text = text(&service, sample::now());
        let part = "HealthCheck:\n Probe:\t\thttp 80/healthz\n Interval:\t5s\n";
        assert!(text.contains(part), "{text}");
    }
}
