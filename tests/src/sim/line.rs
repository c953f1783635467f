// SPDX-License-Identifier: Apache-2.0
//! The network between one node and the manager.
//!
//! A connection is a number. Messages on it arrive in order or not at all: once one is lost,
//! so are those after it, as in a TCP connection whose packets go nowhere. Neither end is told
//! of that; they find out by silence, or when the other end answers that it knows no such
//! connection.

use skep_core::model::Timestamp;

use super::dice::Dice;

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// To the manager.
    Up,
    /// To the node.
    Down,
}

/// One direction.
#[derive(Default)]
struct Lane {
    /// Nothing gets through before this.
    cut_until: Timestamp,
    /// Everything is slow before this.
    slow_until: Timestamp,
    /// The last message that was lost was on this connection.
    lost: u64,
    /// When the last message arrives.
    last: Timestamp,
}

/// The network of one node.
#[derive(Default)]
pub(crate) struct Line {
    /// The connection as the node sees it; 0: none.
    pub(crate) conn: u64,
    up: Lane,
    down: Lane,
}

impl Line {
    fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// Lets nothing through until then, this way.
    pub(crate) fn cut(&mut self, way: Way, until: Timestamp) {
        let lane = self.lane(way);
        lane.cut_until = lane.cut_until.max(until);
    }

    /// Lets everything take long until then.
    pub(crate) fn slow(&mut self, until: Timestamp) {
        self.up.slow_until = until;
        self.down.slow_until = until;
    }

    /// Lets everything through from now on.
    pub(crate) fn heal(&mut self) {
        for lane in [&mut self.up, &mut self.down] {
            lane.cut_until = Timestamp::default();
            lane.slow_until = Timestamp::default();
        }
    }

    /// When something sent now arrives; nothing: it is lost.
    pub(crate) fn arrival(
        &mut self,
        way: Way,
        conn: u64,
        now: Timestamp,
        dice: &mut Dice,
    ) -> Option<Timestamp> {
        let lane = self.lane(way);
        if now < lane.cut_until {
            lane.lost = lane.lost.max(conn);
        }
        if conn <= lane.lost {
            return None;
        }
        let slow = now < lane.slow_until;
        let span = if slow {
            dice.millis(100, 900)
        } else {
            dice.millis(0, 20)
        };
        let at = now.after(span).max(lane.last);
        lane.last = at;
        Some(at)
    }
}
