// SPDX-License-Identifier: Apache-2.0
//! What will happen, and when.

use std::collections::BTreeMap;

use skep_core::model::{NodeId, TaskId, Timestamp};
use skep_core::session::{AgentMessage, ManagerMessage};

use super::fault::Fault;
use super::process::{End, Job};
use super::user::{Reply, Request};

/// One thing that happens. Those for a manager or an agent name the life it is meant for.
pub(crate) enum Event {
    /// A manager starts.
    ManagerStarts,
    /// The log is synced.
    Sync { life: u64 },
    /// The sync has returned.
    Synced { life: u64 },
    /// Time alone makes a difference to the manager.
    ManagerWakes { life: u64 },
    /// A node's call for a connection arrives.
    Dial { node: NodeId, conn: u64 },
    /// The call was answered, or nobody was there.
    Dialled { node: NodeId, conn: u64, up: bool },
    /// A message arrives at the manager.
    Up {
        node: NodeId,
        conn: u64,
        message: AgentMessage,
    },
    /// A message arrives at a node.
    Down {
        node: NodeId,
        conn: u64,
        message: ManagerMessage,
    },
    /// The manager learns that a connection is gone.
    AgentGone { node: NodeId, conn: u64 },
    /// A node learns that a connection is gone.
    ManagerGone { node: NodeId, conn: u64 },
    /// An agent starts.
    AgentStarts { node: NodeId },
    /// Time alone makes a difference to an agent.
    AgentWakes { node: NodeId, life: u64 },
    /// An order is carried out.
    Done { node: NodeId, life: u64, job: Job },
    /// A process ends by itself, or because it was told to.
    Ends {
        node: NodeId,
        task: TaskId,
        end: End,
    },
    /// The engine of a machine asks a container how it is.
    EngineAsks {
        node: NodeId,
        task: TaskId,
        run: u64,
    },
    /// An agent looks at all containers, whatever events have told.
    EngineLook { node: NodeId, life: u64 },
    /// The engine of a machine is back, unless it went again.
    EngineBack { node: NodeId },
    /// A user does something.
    UserTurn { user: usize },
    /// A user's request arrives.
    Asked(Request),
    /// An answer arrives.
    Answered(Reply),
    /// A watcher reads on.
    WatcherTurn { watcher: usize },
    /// Something goes wrong.
    Goes(Fault),
}

impl Event {
    /// Whether it waits while the manager is frozen.
    pub(crate) fn is_for_manager(&self) -> bool {
        matches!(
            self,
            Event::Sync { .. }
                | Event::Synced { .. }
                | Event::ManagerWakes { .. }
                | Event::Dial { .. }
                | Event::Up { .. }
                | Event::AgentGone { .. }
                | Event::Asked(_)
                | Event::WatcherTurn { .. }
        )
    }
}

/// All that will happen, in order; what is due at the same time happens in the order in which
/// it was put down.
#[derive(Default)]
pub(crate) struct Agenda {
    events: BTreeMap<(Timestamp, u64), Event>,
    count: u64,
}

impl Agenda {
    pub(crate) fn put(&mut self, at: Timestamp, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    /// When the next thing happens.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn next(&mut self) -> Option<(Timestamp, Event)> {
        let ((at, _), event) = self.events.pop_first()?;
        Some((at, event))
    }
}
