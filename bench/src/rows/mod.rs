// SPDX-License-Identifier: Apache-2.0
//! What is measured: a list of rows, and what a row is.

mod fanout;
mod frames;
mod idle;
mod schedule;
mod tasks;
mod writes;

use anyhow::Result;

use crate::proc::Usage;
use crate::server::Programs;

/// What skep is measured against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Peer {
    /// Nothing: the figure stands by itself.
    None,
    /// One etcd.
    Etcd,
    /// A gRPC server that stores nothing.
    Echo,
    /// One etcd that is written what an orchestrator would write: no peer, a lower bound of the
    /// work.
    EtcdStandIn,
}

impl Peer {
    /// For the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::None => "none",
            Peer::Etcd => "etcd",
            Peer::Echo => "bare gRPC echo",
            Peer::EtcdStandIn => "etcd as a stand-in",
        }
    }
}

/// Which figure is the better one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Better {
    /// A rate.
    Higher,
    /// A time.
    Lower,
}

/// What skep is to reach.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Target {
    /// So many times as good as the peer.
    Ratio(f64),
    /// At most this, in the row's unit.
    AtMost(f64),
    /// Nothing was promised.
    Open,
}

/// What is done to get the figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Work {
    Writes { clients: usize },
    Tasks { tasks: u32, nodes: u32 },
    FanOut { one_by_one: bool },
    Schedule { tasks: u32, demanding: bool },
    Idle,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// What is done, on both sides.
    pub(crate) what: &'static str,
    /// Of the figure.
    pub(crate) unit: &'static str,
    /// Which figure is the better one.
    pub(crate) better: Better,
    /// What skep is measured against.
    pub(crate) peer: Peer,
    /// What skep is to reach.
    pub(crate) target: Target,
    work: Work,
}

/// How long and where to measure.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The programs.
    pub(crate) programs: Programs,
    /// How long a closed loop runs, in seconds; other rows take their size from it.
    pub(crate) seconds: f64,
}

/// One measurement of one side.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The figure, in the row's unit.
    pub(crate) value: f64,
    /// How many operations it took, for the CPU time of one.
    pub(crate) operations: u64,
    /// What the measured process used.
    pub(crate) usage: Usage,
    /// More of it, for people.
    pub(crate) note: String,
}

/// Which side of a row is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// The peer.
    Peer,
    /// skep.
    Skep,
}

const WRITES: &str = "closed loop over min(C, 8) connections; each write makes one new object of \
                      the same size and is acknowledged when it is on the disk (skep: \
                      CreateService with 0 replicas and a label of 256 bytes; etcd: Put of as many \
                      bytes as the spec has)";

/// All rows.
pub(crate) const ROWS: [Row; 12] = [
    writes("writes-1", 1, Peer::Etcd, 1.0),
    writes("writes-64", 64, Peer::Etcd, 1.3),
    writes("writes-256", 256, Peer::Etcd, 1.6),
    writes("echo-256", 256, Peer::Echo, 0.7),
    Row {
        name: "tasks-1k",
        what: "1,000 tasks on 100 simulated nodes, from CreateService until a watch has seen all of \
               them RUNNING; the target is half of SwarmKit's second. Stand-in: 100 clients write \
               four states of 1,000 keys to etcd, a watch waits for the last",
        unit: "ms",
        better: Better::Lower,
        peer: Peer::EtcdStandIn,
        target: Target::AtMost(500.0),
        work: Work::Tasks {
            tasks: 1_000,
            nodes: 100,
        },
    },
    Row {
        name: "tasks-10k",
        what: "the same with 10,000 tasks on 1,000 nodes; the target is an eighth of SwarmKit's \
               18.7 s",
        unit: "ms",
        better: Better::Lower,
        peer: Peer::EtcdStandIn,
        target: Target::AtMost(2_340.0),
        work: Work::Tasks {
            tasks: 10_000,
            nodes: 1_000,
        },
    },
    Row {
        name: "fanout",
        what: "1,000 watches over 8 connections, 4 writers at full speed; from the first write \
               until every watch has seen every write",
        unit: "events/s",
        better: Better::Higher,
        peer: Peer::Etcd,
        target: Target::Ratio(1.3),
        work: Work::FanOut { one_by_one: false },
    },
    Row {
        name: "fanout-one",
        what: "1,000 watches over 8 connections; one write at a time, until the last watch has \
               seen it",
        unit: "ms",
        better: Better::Lower,
        peer: Peer::Etcd,
        target: Target::Ratio(1.3),
        work: Work::FanOut { one_by_one: true },
    },
    schedule("schedule-1k", 1_000, false),
    schedule("schedule-10k", 10_000, false),
    schedule("schedule-demanding", 10_000, true),
    Row {
        name: "idle",
        what: "nothing asked of it: skepd with 3 nodes in one process, etcd with one member",
        unit: "CPU ms/s",
        better: Better::Lower,
        peer: Peer::Etcd,
        target: Target::Open,
        work: Work::Idle,
    },
];

const fn writes(name: &'static str, clients: usize, peer: Peer, ratio: f64) -> Row {
    Row {
        name,
        what: WRITES,
        unit: "writes/s",
        better: Better::Higher,
        peer,
        target: Target::Ratio(ratio),
        work: Work::Writes { clients },
    }
}

const fn schedule(name: &'static str, tasks: u32, demanding: bool) -> Row {
    Row {
        name,
        what: if demanding {
            "the pure function in this process: 1,000 nodes, tasks of one service with a \
             requirement, a spread over 10 zones and a reservation"
        } else {
            "the pure function in this process: 1,000 nodes, tasks of one service with a \
             reservation, state in, placements out"
        },
        unit: "µs/decision",
        better: Better::Lower,
        peer: Peer::None,
        target: Target::AtMost(5.0),
        work: Work::Schedule { tasks, demanding },
    }
}

impl Row {
    /// Measures one side once, with a fresh process.
    ///
    /// # Errors
    /// If a program does not come up or fails.
    pub(crate) async fn measure(&self, side: Side, setup: &Setup) -> Result<Sample> {
        match (self.work, side) {
            (Work::Writes { clients }, Side::Skep) => writes::skep(setup, clients).await,
            (Work::Writes { clients }, Side::Peer) if self.peer == Peer::Echo => {
                writes::echo(setup, clients).await
            }
            (Work::Writes { clients }, Side::Peer) => writes::etcd(setup, clients).await,
            (Work::Tasks { tasks, nodes }, Side::Skep) => tasks::skep(setup, tasks, nodes).await,
            (Work::Tasks { tasks, .. }, Side::Peer) => tasks::etcd(setup, tasks).await,
            (Work::FanOut { one_by_one }, side) => fanout::measure(setup, side, one_by_one).await,
            (Work::Schedule { tasks, demanding }, _) => schedule::measure(setup, tasks, demanding),
            (Work::Idle, side) => idle::measure(setup, side).await,
        }
    }

    /// How many times as good as the peer skep is.
    pub(crate) fn ratio(&self, peer: f64, skep: f64) -> f64 {
        match self.better {
            Better::Higher => skep / peer,
            Better::Lower => peer / skep,
        }
    }
}
