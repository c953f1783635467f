// SPDX-License-Identifier: Apache-2.0
//! An executor that only counts: it does what it is told and guards nothing.

use std::collections::BTreeMap;

use crate::model::{TaskId, Timestamp};
use crate::node_agent::{Exit, ExitCause, Observed, Order, OrderFailure, Phase};
use crate::testing::tcp;

use super::Dice;

/// What runs on one node. It survives its agent.
#[derive(Default, Debug)]
pub(super) struct Executor {
    pub(super) tasks: BTreeMap<TaskId, Observed>,
    /// How often each task was started.
    pub(super) starts: BTreeMap<TaskId, u32>,
}

impl Executor {
    pub(super) fn is_running(&self, task: TaskId) -> bool {
        let observed = self.tasks.get(&task);
        observed.is_some_and(|observed| matches!(observed.phase, Phase::Running { .. }))
    }

    /// Tasks that run.
    pub(super) fn running(&self) -> impl Iterator<Item = TaskId> {
        self.tasks
            .keys()
            .copied()
            .filter(|task| self.is_running(*task))
    }

    pub(super) fn carry_out(
        &mut self,
        task: TaskId,
        order: Order,
        now: Timestamp,
        dice: &mut Dice,
    ) -> Result<(), OrderFailure> {
        if dice.chance(30) {
            return Err(OrderFailure {
                refused: false,
                message: "bad luck".into(),
            });
        }
        match order {
            Order::Prepare => {
                let port = 20_000 + u16::try_from(task.0 % 10_000).unwrap_or_default();
                let ports = vec![tcp(80, port, crate::model::PortMode::Ingress)];
                self.tasks
                    .entry(task)
                    .or_insert(Observed::new(Phase::Prepared, ports));
            }
            Order::Start => self.start(task, now),
            // One in ten ignores the first signal.
            Order::Stop { signal, .. } if signal != 9 && dice.chance(100) => {}
            Order::Stop { .. } => self.end(task, ExitCause::Stopped, 137, now),
            Order::Remove => {
                self.tasks.remove(&task);
            }
        }
        Ok(())
    }

    fn start(&mut self, task: TaskId, now: Timestamp) {
        if let Some(observed) = self.tasks.get_mut(&task) {
            *self.starts.entry(task).or_default() += 1;
            let pid = 42;
            observed.phase = Phase::Running { pid, since: now };
        }
    }

    /// Lets a task end, if it has not.
    pub(super) fn end(&mut self, task: TaskId, cause: ExitCause, code: i32, now: Timestamp) {
        if let Some(observed) = self.tasks.get_mut(&task)
            && !matches!(observed.phase, Phase::Exited(_))
        {
            observed.phase = Phase::Exited(Exit {
                cause,
                code: Some(code),
                signal: 0,
                at: now,
                message: "".into(),
            });
        }
    }
}
