// SPDX-License-Identifier: Apache-2.0
//! The ports that this node's tasks listen on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use skep_core::model::{Port, TaskId};
use skep_core::node_agent::{Observed, OrderFailure, Phase};
use skep_network::{BackendPorts, PortError, Reach};

/// Who has which ports: a task from the moment it is made ready until it has ended.
pub(super) struct Ports {
    book: BackendPorts,
    holders: BTreeSet<TaskId>,
}

impl Ports {
    pub(super) fn new(address: IpAddr) -> Ports {
        Ports {
            book: BackendPorts::new(address, rand::random()),
            holders: BTreeSet::new(),
        }
    }

    /// Chooses the ports of a task.
    pub(super) fn choose(
        &mut self,
        task: TaskId,
        wanted: &[Port],
        reach: Reach,
    ) -> Result<Vec<Port>, OrderFailure> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let chosen = self
            .book
            .allocate(task, wanted, reach)
            .map_err(|error| failure(&error))?;
        self.holders.insert(task);
        Ok(chosen)
    }

    /// Gives back the ports of tasks that have ended, and notes those of tasks that were there
    /// before this agent. `preparing` says whose ports were just chosen.
    pub(super) fn settle(
        &mut self,
        seen: &BTreeMap<TaskId, Observed>,
        preparing: impl Fn(TaskId) -> bool,
    ) {
        let listens = |task: &TaskId| {
            let known = seen.get(task);
            known.is_some_and(|known| !matches!(known.phase, Phase::Exited(_)))
        };
        let book = &mut self.book;
        self.holders.retain(|task| {
            let keep = listens(task) || preparing(*task);
            if !keep {
                book.release(*task);
            }
            keep
        });
        for (task, known) in seen {
            if !known.ports.is_empty() && listens(task) && self.holders.insert(*task) {
                self.book.adopt(*task, &known.ports);
            }
        }
    }
}

/// Another attempt here may find a backend port that is free; a host port that is taken, or
/// that may not be opened, is better looked for on another node.
fn failure(error: &PortError) -> OrderFailure {
    OrderFailure {
        refused: !matches!(error, PortError::NoneFree { .. }),
        message: with_cause(error).into(),
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use skep_core::model::{PortMode, Timestamp};
    use skep_core::testing::tcp;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn seen(task: TaskId, phase: Phase, ports: &[Port]) -> BTreeMap<TaskId, Observed> {
        let ports = ports.to_vec();
        BTreeMap::from([(task, Observed::new(phase, ports))])
    }

    fn running() -> Phase {
        Phase::Running {
            pid: 1,
            since: Timestamp(1),
        }
    }

    #[test]
    fn a_port_is_held_while_its_task_may_listen() {
        let (a, b) = (TaskId(1), TaskId(2));
        let mut ports = Ports::new(HERE);
        let chosen = ports
            .choose(a, &[tcp(80, 80, PortMode::Ingress)], Reach::Direct)
            .expect("a port");
        let fixed = [tcp(80, chosen[0].published, PortMode::Host)];
        let refusal = ports
            .choose(b, &fixed, Reach::Direct)
            .expect_err("it is held");
        assert!(
            refusal.refused && refusal.message.contains(&a.to_string()),
            "{refusal:?}"
        );

        ports.settle(&BTreeMap::new(), |task| task == a);
        assert!(
            ports.choose(b, &fixed, Reach::Direct).is_err(),
            "it is being made ready"
        );
        ports.settle(&seen(a, running(), &chosen), |_| false);
        assert!(ports.choose(b, &fixed, Reach::Direct).is_err(), "it runs");
        ports.settle(&BTreeMap::new(), |_| false);
        assert!(ports.choose(b, &fixed, Reach::Direct).is_ok());
    }

    #[test]
    fn ports_of_adopted_tasks_are_held() {
        let (a, b) = (TaskId(1), TaskId(2));
        let mut ports = Ports::new(HERE);
        let chosen = ports
            .choose(a, &[tcp(80, 80, PortMode::Ingress)], Reach::Direct)
            .expect("a port");
        let mut ports = Ports::new(HERE);
        ports.settle(&seen(a, running(), &chosen), |_| false);
        let fixed = [tcp(80, chosen[0].published, PortMode::Host)];
        assert!(ports.choose(b, &fixed, Reach::Direct).is_err());
    }

    #[test]
    fn a_port_of_another_program_is_refused_by_name() {
        let other = TcpListener::bind((HERE, 0)).expect("a port");
        let number = other.local_addr().expect("an address").port();
        let mut ports = Ports::new(HERE);
        let refusal = ports
            .choose(TaskId(1), &[tcp(80, number, PortMode::Host)], Reach::Direct)
            .expect_err("another program holds it");
        let text = refusal.message.to_string();
        assert!(refusal.refused, "{text}");
        assert!(
            text.contains(&number.to_string()) && text.contains("another program"),
            "{text}"
        );
    }
}
