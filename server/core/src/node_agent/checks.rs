// SPDX-License-Identifier: Apache-2.0
//! The course of a task's health checks: when the next one is due, and what the last ones mean.
//!
//! In the first time, which is `start_period` and at least one `interval`, checks that fail do
//! not count, and until one passes the task is asked each `start_interval`, so that one that is
//! ready is found so at once. After it the task is asked each `interval`, and `retries` failures in
//! a row make it unhealthy. The checks that an engine makes go by the same times.

use std::sync::Arc;

use crate::assign::AssignedTemplate;
use crate::model::{
    HealthCheck, Port, PortMode, Probe, Protocol, TaskTemplate, Timestamp, Workload,
};

use super::Health;

/// The check that the agent itself makes; nothing: there is none, or the engine makes it.
#[must_use]
pub fn agent_check(template: &TaskTemplate) -> Option<&HealthCheck> {
    let check = template.health_check.as_ref()?;
    let by_agent = match (check.probe.as_ref()?, &template.workload) {
        (Probe::Http { .. } | Probe::Tcp { .. } | Probe::Grpc { .. }, _)
        | (Probe::Exec { .. }, Workload::Process(_)) => true,
        (Probe::Exec { .. }, Workload::Container(_)) | (Probe::Disabled, _) => false,
    };
    by_agent.then_some(check)
}

/// The ports that a task opens: those that its service publishes, and the one where it is asked
/// how it is.
#[must_use]
pub fn opened_ports(template: &AssignedTemplate) -> Vec<Port> {
    let mut ports = template.ports.clone();
    let asked = agent_check(&template.template)
        .and_then(|check| check.probe.as_ref())
        .and_then(Probe::port);
    let is_open = |target| {
        let same = |port: &&Port| port.target == target && port.protocol == Protocol::Tcp;
        template.ports.iter().find(same).is_some()
    };
    if let Some(target) = asked.filter(|target| !is_open(*target)) {
        ports.push(Port {
            target,
            published: 0,
            protocol: Protocol::Tcp,
            mode: PortMode::Ingress,
            name: "".into(),
        });
    }
    ports
}

/// Where the checks of one task are. Time and answers come from outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckCourse {
    check: HealthCheck,
    /// Since when the task runs.
    began: Timestamp,
    failures: u32,
    passed_once: bool,
    said: Arc<str>,
    next_at: Timestamp,
}

impl CheckCourse {
    /// Of a task that runs since `began`: the first check is due at once.
    #[must_use]
    pub fn begin(check: HealthCheck, began: Timestamp) -> CheckCourse {
        CheckCourse {
            check,
            began,
            failures: 0,
            passed_once: false,
            said: Arc::default(),
            next_at: began,
        }
    }

    /// When the next check is due.
    #[must_use]
    pub const fn next_at(&self) -> Timestamp {
        self.next_at
    }

    /// Takes what a check that ended `now` said: nothing, or why it failed.
    pub fn note(&mut self, answer: Result<(), Arc<str>>, now: Timestamp) {
        match answer {
            Ok(()) => {
                self.passed_once = true;
                self.failures = 0;
                self.said = Arc::default();
            }
            Err(said) => {
                self.said = said;
                if !self.is_starting(now) {
                    self.failures = self.failures.saturating_add(1);
                }
            }
        }
        let pause = if self.is_starting(now) {
            self.check.start_interval()
        } else {
            self.check.interval()
        };
        self.next_at = now.after(pause);
    }

    fn is_starting(&self, now: Timestamp) -> bool {
        !self.passed_once && now < self.began.after(self.check.first_time())
    }

    /// What the checks say.
    #[must_use]
    pub fn health(&self) -> Health {
        let said = self.said.clone();
        if self.failures >= self.check.retries() {
            Health::Unhealthy(said)
        } else if self.passed_once {
            Health::Healthy(said)
        } else {
            Health::Starting(said)
        }
    }
}
