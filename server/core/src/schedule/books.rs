// SPDX-License-Identifier: Apache-2.0
//! What every node has left, with the assignments of the present pass counted in.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{Node, NodeId, Protocol, Resources};
use crate::state::State;

use super::demand::Demand;

/// The order among nodes that are alike for a service: fewest tasks, then most memory and CPU
/// free, then the id, for which the seat stands. It only grows during a pass.
pub(super) type Rank = (u32, Reverse<(u64, u32)>, usize);

/// A node during a pass.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    /// The node.
    pub(super) node: &'a Arc<Node>,
    /// What its tasks leave free.
    pub(super) free: Resources,
    /// Tasks assigned to it that have not ended.
    pub(super) active: u32,
}

/// All nodes during a pass. A seat is a place in this list, which is in the order of node ids.
#[derive(Debug)]
pub(super) struct Books<'a> {
    /// The state that the pass began with.
    pub(super) state: &'a State,
    /// Every node.
    pub(super) seats: Vec<Seat<'a>>,
    /// Host ports given away in this pass.
    ports: BTreeSet<(usize, u16, Protocol)>,
}

impl<'a> Books<'a> {
    /// Every node as it is now.
    pub(super) fn open(state: &'a State) -> Books<'a> {
        let seats = state
            .nodes()
            .map(|node| Seat {
                node,
                free: node.free(),
                active: node.status.active_tasks,
            })
            .collect();
        Books {
            state,
            seats,
            ports: BTreeSet::new(),
        }
    }

    /// The seat of a node.
    pub(super) fn seat_of(&self, node: NodeId) -> Option<usize> {
        self.seats
            .binary_search_by_key(&node, |seat| seat.node.meta.id)
            .ok()
    }

    /// The node of a seat.
    pub(super) fn node_id(&self, seat: usize) -> NodeId {
        self.seats[seat].node.meta.id
    }

    /// Where a seat stands among others that are alike for the service.
    pub(super) fn rank(&self, seat: usize) -> Rank {
        let Seat { free, active, .. } = &self.seats[seat];
        (*active, Reverse((free.memory_bytes, free.cpu_millis)), seat)
    }

    /// Whether a fixed host port is given away already.
    pub(super) fn is_port_taken(&self, seat: usize, port: u16, protocol: Protocol) -> bool {
        let held = self.state.host_port(self.node_id(seat), port, protocol);
        held.is_some() || self.ports.contains(&(seat, port, protocol))
    }

    /// Counts in one task that was put on a seat.
    pub(super) fn take(&mut self, seat: usize, demand: &Demand<'_>) {
        let books = &mut self.seats[seat];
        if !cfg!(skep_bug = "overbook") {
            books.free = books.free.minus(demand.template.reservations);
        }
        books.active += 1;
        for (port, protocol) in &demand.ports {
            self.ports.insert((seat, *port, *protocol));
        }
    }
}
