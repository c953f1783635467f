// SPDX-License-Identifier: Apache-2.0
//! From frames to events: frames are collected until one closes its step.

use crate::v1::EventType;

use super::WatchEvent;
use super::kinds::Frame;

/// The frames of the step that is not closed yet.
#[derive(Debug)]
pub(crate) struct Collector<O> {
    pending: Vec<(EventType, O)>,
    /// The present step is the first state, which replaces all before it.
    is_snapshot: bool,
}

impl<O> Collector<O> {
    /// For a watch that begins after a revision; 0: with the state.
    pub(crate) fn new(after_revision: u64) -> Self {
        Self {
            pending: Vec::new(),
            is_snapshot: after_revision == 0,
        }
    }

    /// Takes a frame; gives the events of the step that it closes, or none.
    pub(crate) fn feed(&mut self, frame: Frame<O>) -> Vec<WatchEvent<O>> {
        self.pending.extend(frame.events);
        if frame.revision == 0 {
            return Vec::new();
        }
        let step = std::mem::take(&mut self.pending);
        let mut events = if std::mem::take(&mut self.is_snapshot) {
            vec![WatchEvent::Reset(
                step.into_iter().map(|(_, object)| object).collect(),
            )]
        } else {
            step.into_iter().map(event).collect()
        };
        let Frame {
            revision,
            head_revision,
            ..
        } = frame;
        events.push(WatchEvent::Progress {
            revision,
            head_revision,
        });
        events
    }
}

/// One change. A type of a later release says at least that the object is there and is new.
fn event<O>((kind, object): (EventType, O)) -> WatchEvent<O> {
    match kind {
        EventType::Added => WatchEvent::Added(object),
        EventType::Left => WatchEvent::Left(object),
        EventType::Deleted => WatchEvent::Deleted(object),
        EventType::Changed | EventType::Unspecified => WatchEvent::Changed(object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(revision: u64, events: &[(EventType, u32)]) -> Frame<u32> {
        Frame {
            revision,
            head_revision: 9,
            events: events.to_vec(),
        }
    }

    fn progress(revision: u64) -> WatchEvent<u32> {
        WatchEvent::Progress {
            revision,
            head_revision: 9,
        }
    }

    #[test]
    fn the_first_state_comes_whole_and_once() {
        let mut collector = Collector::new(0);
        assert_eq!(collector.feed(frame(0, &[(EventType::Added, 1)])), []);
        assert_eq!(collector.feed(frame(0, &[(EventType::Added, 2)])), []);
        assert_eq!(
            collector.feed(frame(5, &[(EventType::Added, 3)])),
            [WatchEvent::Reset(vec![1, 2, 3]), progress(5)]
        );
        assert_eq!(
            collector.feed(frame(6, &[(EventType::Added, 4)])),
            [WatchEvent::Added(4), progress(6)]
        );
    }

    #[test]
    fn an_empty_state_is_a_reset_too() {
        let mut collector = Collector::new(0);
        assert_eq!(
            collector.feed(frame(1, &[])),
            [WatchEvent::Reset(vec![]), progress(1)]
        );
    }

    #[test]
    fn a_resumed_watch_has_changes_only_and_steps_stay_whole() {
        let mut collector = Collector::new(5);
        assert_eq!(collector.feed(frame(0, &[(EventType::Changed, 1)])), []);
        assert_eq!(
            collector.feed(frame(7, &[(EventType::Left, 2), (EventType::Deleted, 3)])),
            [
                WatchEvent::Changed(1),
                WatchEvent::Left(2),
                WatchEvent::Deleted(3),
                progress(7)
            ]
        );
        assert_eq!(collector.feed(frame(8, &[])), [progress(8)]);
    }
}
