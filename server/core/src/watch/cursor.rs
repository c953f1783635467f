// SPDX-License-Identifier: Apache-2.0
//! One subscriber's place in the history.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::{Revision, Timestamp};
use crate::state::{History, State, Step};

use super::filter::{WatchEvent, WatchFilter};
use super::frame::{Filling, Frame};
use super::snapshot::Snapshot;

/// Most steps looked at before the subscriber gets a turn again.
const STEPS_PER_TURN_MAX: usize = 4_096;

/// What a subscriber asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Which objects.
    pub filter: WatchFilter,
    /// Only what came after this revision; 0: first the present state.
    pub after: Revision,
    /// Longest silence between two frames.
    pub progress_interval: Duration,
    /// Most bytes of a frame: [`super::FRAME_BYTES_MAX`] but in tests.
    pub frame_bytes_max: usize,
}

/// What a manager has: its state, the history that led there, and whether it hears the leader.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The newest state.
    pub state: &'a State,
    /// The history up to it.
    pub history: &'a History,
    /// The manager has heard from a leader of late, so that its silence means something.
    pub fresh: bool,
}

/// Why a watch cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// History up to this revision is gone: begin again from 0.
    Compacted(Revision),
    /// The revision asked for was never made; this is the newest one.
    Unknown(Revision),
    /// No leader was heard of late: go on at another manager.
    NotFresh,
}

/// One subscriber's place in the history.
#[derive(Debug)]
pub struct Cursor<T> {
    options: Options,
    place: Place,
    /// Rendered events of a step that did not fit into one frame, with their sizes.
    rest: VecDeque<(T, usize)>,
    /// The revision that the rest belongs to.
    rest_revision: Revision,
    last_frame: Timestamp,
}

#[derive(Debug)]
enum Place {
    /// Still giving out the first state.
    Snapshot(Box<Snapshot>),
    /// Everything through this revision was given out.
    After(Revision),
}

impl<T> Cursor<T> {
    /// A subscriber that begins now.
    ///
    /// # Errors
    /// If the revision to begin after is too old or too new.
    pub fn start(options: Options, source: Source<'_>, now: Timestamp) -> Result<Self, Ended> {
        let place = if options.after == Revision(0) {
            Place::Snapshot(Box::new(Snapshot::of(source.state)))
        } else {
            let _ = reachable(source, options.after)?;
            Place::After(options.after)
        };
        Ok(Cursor {
            options,
            place,
            rest: VecDeque::new(),
            rest_revision: Revision(0),
            last_frame: now,
        })
    }

    /// When the subscriber is owed a frame, if nothing happens before.
    #[must_use]
    pub fn wake_at(&self) -> Timestamp {
        self.last_frame.after(self.options.progress_interval)
    }

    /// Whether all of the last step was given out, so that the watch may end here.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.rest.is_empty() && matches!(self.place, Place::After(_))
    }

    /// How many rendered events wait for the next frame: of one step, never of more.
    #[must_use]
    pub fn rest_len(&self) -> usize {
        self.rest.len()
    }

    /// Whether there is history that this cursor has not looked at yet, so that asking again is
    /// worth while even if the last answer was nothing.
    #[must_use]
    pub fn is_behind(&self, source: Source<'_>) -> bool {
        match self.place {
            Place::After(revision) => revision < source.history.head() || !self.rest.is_empty(),
            Place::Snapshot(_) => true,
        }
    }

    /// The next frame; nothing if there is nothing to tell and no frame is owed yet. `render`
    /// makes an event what the subscriber gets, and weighs it in bytes.
    ///
    /// # Errors
    /// If the watch cannot go on. What was given out before stays true.
    pub fn next(
        &mut self,
        source: Source<'_>,
        now: Timestamp,
        mut render: impl FnMut(WatchEvent) -> (T, usize),
    ) -> Result<Option<Frame<T>>, Ended> {
        if !source.fresh {
            return Err(Ended::NotFresh);
        }
        let mut frame = Filling::new(self.options.frame_bytes_max);
        if self.rest.is_empty() {
            match &mut self.place {
                Place::Snapshot(snapshot) => {
                    let done = snapshot.fill(&self.options.filter, &mut frame, &mut render);
                    let revision = snapshot.revision();
                    if done {
                        frame.revision = revision;
                        self.place = Place::After(revision);
                    }
                }
                Place::After(revision) => {
                    let after = *revision;
                    self.fill_from_history(after, source, &mut frame, &mut render)?;
                }
            }
        } else {
            self.fill_from_rest(&mut frame);
        }
        Ok(self.finish(frame, source, now))
    }

    fn finish(
        &mut self,
        frame: Filling<T>,
        source: Source<'_>,
        now: Timestamp,
    ) -> Option<Frame<T>> {
        if frame.revision > Revision(0) {
            self.place = Place::After(frame.revision);
        }
        let owed = now >= self.wake_at();
        let partial = frame.revision == Revision(0) && !frame.events.is_empty();
        if frame.events.is_empty() && !owed && !frame.closes_snapshot {
            return None;
        }
        let revision = match self.place {
            _ if partial => Revision(0),
            Place::After(revision) => revision,
            Place::Snapshot(_) => Revision(0),
        };
        self.last_frame = now;
        let head = source.history.head().max(revision);
        Some(Frame {
            revision,
            events: frame.events,
            head,
        })
    }

    fn fill_from_rest(&mut self, frame: &mut Filling<T>) {
        while let Some((_, size)) = self.rest.front() {
            if !frame.has_room(*size) {
                return;
            }
            if let Some((event, size)) = self.rest.pop_front() {
                frame.push(event, size);
            }
        }
        frame.revision = self.rest_revision;
    }

    fn fill_from_history(
        &mut self,
        after: Revision,
        source: Source<'_>,
        frame: &mut Filling<T>,
        render: &mut impl FnMut(WatchEvent) -> (T, usize),
    ) -> Result<(), Ended> {
        let steps = reachable(source, after)?;
        let mut looked_at = 0;
        for step in steps {
            looked_at += 1;
            if !self.fill_step(step, frame, render) || looked_at == STEPS_PER_TURN_MAX {
                return Ok(());
            }
        }
        frame.revision = source.history.head().max(after);
        Ok(())
    }

    /// Adds one step to the frame; gives back whether there may be room for another. A step
    /// that does not fit beside others is left for the next frame, one that does not fit alone
    /// is cut.
    fn fill_step(
        &mut self,
        step: &Step,
        frame: &mut Filling<T>,
        render: &mut impl FnMut(WatchEvent) -> (T, usize),
    ) -> bool {
        let filter = &self.options.filter;
        let seen: VecDeque<(T, usize)> = step
            .events
            .iter()
            .filter_map(|event| filter.see(event))
            .map(render)
            .collect();
        let size: usize = seen.iter().map(|(_, size)| *size).sum();
        if frame.fits(size) {
            seen.into_iter()
                .for_each(|(event, size)| frame.push(event, size));
            frame.revision = step.revision;
            return true;
        }
        if frame.events.is_empty() {
            self.rest = seen;
            self.rest_revision = step.revision;
            frame.revision = Revision(0);
            self.fill_from_rest(frame);
        }
        false
    }
}

/// The steps after `revision`, if the manager still has them all and ever had that revision.
fn reachable(source: Source<'_>, revision: Revision) -> Result<impl Iterator<Item = &Step>, Ended> {
    if revision > source.history.head() {
        return Err(Ended::Unknown(source.history.head()));
    }
    source
        .history
        .since(revision)
        .ok_or(Ended::Compacted(source.history.compacted()))
}
