// SPDX-License-Identifier: Apache-2.0
//! Frames: the parts that a watch comes in.

use crate::model::Revision;

/// Most bytes of a frame, unless one object alone has more.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// A part of a watch. `T` is a rendered event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame<T> {
    /// The subscriber has everything through this revision; 0: more of the same step follows.
    pub revision: Revision,
    /// Changes, in order.
    pub events: Vec<T>,
    /// The newest revision the manager has.
    pub head: Revision,
}

/// A frame while it is being filled.
pub(super) struct Filling<T> {
    pub(super) revision: Revision,
    pub(super) events: Vec<T>,
    bytes: usize,
    bytes_max: usize,
    pub(super) closes_snapshot: bool,
}

impl<T> Filling<T> {
    pub(super) fn new(bytes_max: usize) -> Self {
        let revision = Revision(0);
        Filling {
            revision,
            events: Vec::new(),
            bytes: 0,
            bytes_max,
            closes_snapshot: false,
        }
    }

    /// Whether all of this fits beside what is there.
    pub(super) fn fits(&self, size: usize) -> bool {
        self.bytes + size <= self.bytes_max
    }

    /// Whether one event of this size may be added; a first one always may.
    pub(super) fn has_room(&self, size: usize) -> bool {
        self.events.is_empty() || self.fits(size)
    }

    pub(super) fn push(&mut self, event: T, size: usize) {
        self.events.push(event);
        self.bytes += size;
    }
}
