// SPDX-License-Identifier: Apache-2.0
//! The life of a task on its node, step by step.

mod checks;
mod drain;
mod endings;
mod life;
mod messages;
mod trouble;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::assign::{AssignedTask, AssignedTemplate, Held};
use crate::model::*;
use crate::testing::{tcp, template};

use super::*;

const TASK: TaskId = TaskId(7);
const SERVICE: ServiceId = ServiceId(1);

/// A worker with one task, and everything it is given by hand.
#[derive(Clone)]
struct Bench {
    held: Held,
    observed: BTreeMap<TaskId, Observed>,
    worker: Worker,
    now: Timestamp,
    wake_at: Option<Timestamp>,
    unseen: Vec<&'static str>,
}

fn assigned(desired: DesiredState, state: TaskState) -> AssignedTask {
    AssignedTask {
        id: TASK,
        name: "web.3".into(),
        service: SERVICE,
        slot: 3,
        attempt: 1,
        template_revision: Revision(5),
        desired,
        restart_time: None,
        drain: None,
        state,
    }
}

fn assigned_template() -> AssignedTemplate {
    let mut template = template();
    template.stop.signal = "SIGINT".to_owned();
    template.stop.grace = Some(Duration::from_secs(20));
    template.stop.drain = Some(Duration::from_millis(2_500));
    AssignedTemplate {
        service: SERVICE,
        revision: Revision(5),
        template: Arc::new(template),
        ports: Vec::new(),
        image: "".into(),
        service_name: "web".into(),
        service_labels: Arc::new(Labels::from([("team".to_owned(), "blue".to_owned())])),
    }
}

impl Bench {
    fn new(desired: DesiredState, state: TaskState) -> Bench {
        let template = assigned_template();
        Bench {
            held: Held {
                revision: Revision(9),
                tasks: BTreeMap::from([(TASK, assigned(desired, state))]),
                templates: BTreeMap::from([((SERVICE, Revision(5)), template)]),
                ..Held::default()
            },
            observed: BTreeMap::new(),
            worker: Worker::default(),
            now: Timestamp::from_millis(1_000_000),
            wake_at: None,
            unseen: Vec::new(),
        }
    }

    /// A task that runs.
    fn running() -> Bench {
        let mut bench = Bench::new(DesiredState::Running, TaskState::Assigned);
        bench.step();
        bench.done(OrderKind::Prepare);
        bench.see(Phase::Prepared);
        bench.step();
        bench.done(OrderKind::Start);
        let since = bench.now;
        bench.see(Phase::Running { pid: 42, since });
        bench.step();
        bench
    }

    fn want(&mut self, desired: DesiredState) {
        self.held.tasks.get_mut(&TASK).expect("it is there").desired = desired;
    }

    /// The managers want it stopped, and say how far it was taken out of the traffic.
    fn stop(&mut self, drain: Option<DrainPhase>) {
        self.want(DesiredState::Stopped);
        self.held.tasks.get_mut(&TASK).expect("it is there").drain = drain;
    }

    fn see(&mut self, phase: Phase) {
        let ports = vec![tcp(80, 20_000, PortMode::Ingress)];
        self.observed.insert(TASK, Observed::new(phase, ports));
    }

    fn exit(&mut self, cause: ExitCause, code: Option<i32>) {
        self.see(Phase::Exited(Exit {
            cause,
            code,
            signal: 0,
            at: self.now,
            message: "".into(),
        }));
    }

    fn done(&mut self, kind: OrderKind) {
        self.worker.done(TASK, kind, Ok(()), self.now);
    }

    fn fail(&mut self, kind: OrderKind, refused: bool, message: &str) {
        let failure = OrderFailure {
            refused,
            message: message.into(),
        };
        self.worker.done(TASK, kind, Err(failure), self.now);
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    /// The agent ends and starts again, with what it remembered on disk.
    fn restart(&mut self) {
        self.worker = Worker::remembering(self.worker.records().values().cloned());
    }

    /// One step, as text: what is reported, and the orders.
    fn step(&mut self) -> String {
        let plan = self
            .worker
            .step(&self.held, &self.observed, &self.unseen, self.now);
        self.wake_at = plan.wake_at;
        let mut text = String::new();
        for (_, observation) in &plan.reports {
            write!(text, "{:?}", observation.state).unwrap();
            if !observation.reason.is_empty() {
                write!(text, " {}", observation.reason).unwrap();
            }
            if !observation.message.is_empty() {
                write!(text, " ({})", observation.message).unwrap();
            }
            if let Some(code) = observation.exit_code {
                write!(text, " code {code}").unwrap();
            }
        }
        for (_, order) in &plan.orders {
            match order {
                Order::Stop { signal, grace } => {
                    write!(text, " -> Stop {signal} {}", grace.as_secs()).unwrap();
                }
                other => write!(text, " -> {other:?}").unwrap(),
            }
        }
        text.trim().to_owned()
    }

    fn wakes_in(&self) -> Option<Duration> {
        self.wake_at.map(|at| at.since(self.now))
    }
}
