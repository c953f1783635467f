// SPDX-License-Identifier: Apache-2.0
//! What the records say together: vote, committed, and which entries there are.

use super::record::{LogId, Record, Vote};

/// The sum of a log's records. Each segment begins with the one of the records before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Book {
    /// The vote; nothing: none was given yet.
    pub vote: Option<Vote>,
    /// The last entry known to be committed when something else was written last.
    pub committed: Option<LogId>,
    /// The entries up to this one are gone.
    pub purged: Option<LogId>,
    /// The last entry, which may be the purged one; nothing: there was none ever.
    pub last: Option<LogId>,
}

/// A record that cannot follow those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Entries have indexes without gaps.
    #[error("entry {found} follows entry {last}")]
    Gap {
        /// The index before.
        last: u64,
        /// The index after it.
        found: u64,
    },
    /// Entries are of the same leader or of later ones.
    #[error("entry {0} is of an earlier leader than the entry before it")]
    Backwards(u64),
    /// Truncating and purging go through opposite ends.
    #[error("entries after {0} were to be removed, but those up to a later one are purged")]
    TruncatesPurged(u64),
    /// A payload is limited.
    #[error("entry {index} has {bytes} bytes, more than the log takes")]
    TooLarge {
        /// The index of the entry.
        index: u64,
        /// Bytes of its payload.
        bytes: usize,
    },
}

impl Book {
    /// The sum with one more record.
    ///
    /// # Errors
    /// If the record cannot follow.
    pub fn with(mut self, record: &Record) -> Result<Self, Contradiction> {
        match record {
            Record::Entry { id, payload } => {
                if payload.len() > super::record::PAYLOAD_BYTES_MAX {
                    let bytes = payload.len();
                    return Err(Contradiction::TooLarge {
                        index: id.index,
                        bytes,
                    });
                }
                self.follows(*id)?;
                self.last = Some(*id);
            }
            Record::Vote(vote) => self.vote = Some(*vote),
            Record::Committed(id) => self.committed = *id,
            Record::Truncate(keep) => self.truncate(*keep)?,
            Record::Purge(id) => {
                self.purged = self.purged.max(Some(*id));
                if self.last.is_none_or(|last| last.index < id.index) {
                    self.last = Some(*id);
                }
            }
        }
        Ok(self)
    }

    fn follows(&self, id: LogId) -> Result<(), Contradiction> {
        // The very first entry may have any index: the log may begin after a snapshot.
        let Some(last) = self.last else { return Ok(()) };
        if id.index != last.index + 1 {
            return Err(Contradiction::Gap {
                last: last.index,
                found: id.index,
            });
        }
        if (id.term, id.node) < (last.term, last.node) {
            return Err(Contradiction::Backwards(id.index));
        }
        Ok(())
    }

    fn truncate(&mut self, keep: Option<LogId>) -> Result<(), Contradiction> {
        let after = keep.map(|keep| keep.index);
        if self.purged.map(|purged| purged.index) > after {
            return Err(Contradiction::TruncatesPurged(after.unwrap_or_default()));
        }
        if self.last.map(|last| last.index) > after {
            self.last = keep;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(term: u64, index: u64) -> LogId {
        LogId {
            term,
            node: 1,
            index,
        }
    }

    fn entry(term: u64, index: u64) -> Record {
        Record::Entry {
            id: id(term, index),
            payload: bytes::Bytes::new(),
        }
    }

    fn sum(records: &[Record]) -> Result<Book, Contradiction> {
        records.iter().try_fold(Book::default(), Book::with)
    }

    #[test]
    fn entries_follow_without_gaps_and_leaders_never_go_back() {
        assert_eq!(
            sum(&[entry(1, 5), entry(2, 6)]).map(|book| book.last),
            Ok(Some(id(2, 6)))
        );
        assert_eq!(
            sum(&[entry(1, 0), entry(1, 2)]),
            Err(Contradiction::Gap { last: 0, found: 2 })
        );
        assert_eq!(
            sum(&[entry(2, 0), entry(1, 1)]),
            Err(Contradiction::Backwards(1))
        );
    }

    #[test]
    fn truncating_removes_the_end_and_purging_the_beginning() {
        let entries = [entry(1, 0), entry(1, 1), entry(1, 2), entry(1, 3)];
        let book = sum(&entries).expect("entries");
        let cut = book.with(&Record::Truncate(Some(id(1, 1)))).expect("cut");
        assert_eq!(cut.last, Some(id(1, 1)));
        assert_eq!(
            cut.with(&Record::Truncate(Some(id(1, 9)))),
            Ok(cut),
            "nothing is after it"
        );
        let purged = book.with(&Record::Purge(id(1, 2))).expect("purged");
        assert_eq!(
            (purged.purged, purged.last),
            (Some(id(1, 2)), Some(id(1, 3)))
        );
        assert_eq!(
            purged.with(&Record::Truncate(Some(id(1, 0)))),
            Err(Contradiction::TruncatesPurged(0))
        );
        let beyond = book
            .with(&Record::Purge(id(3, 20)))
            .expect("a snapshot from elsewhere");
        assert_eq!(
            (beyond.purged, beyond.last),
            (Some(id(3, 20)), Some(id(3, 20)))
        );
        assert_eq!(
            book.with(&Record::Truncate(None)).expect("empty").last,
            None
        );
    }
}
