// SPDX-License-Identifier: Apache-2.0
//! The entries of the log in memory: reading them never waits for the disk.

use std::collections::VecDeque;
use std::ops::{Bound, RangeBounds};

/// Entries with consecutive indexes, those that are neither purged nor truncated.
#[derive(Debug, Clone)]
pub struct Tail<E> {
    first: u64,
    entries: VecDeque<E>,
}

impl<E> Default for Tail<E> {
    fn default() -> Self {
        Self {
            first: 0,
            entries: VecDeque::new(),
        }
    }
}

impl<E> Tail<E> {
    /// Adds the entry with this index, which is the one after the last.
    ///
    /// # Panics
    /// If the index leaves a gap: the log has checked it before.
    pub fn push(&mut self, index: u64, entry: E) {
        if self.entries.is_empty() {
            self.first = index;
        }
        assert_eq!(
            index,
            self.first + self.entries.len() as u64,
            "entries have no gaps"
        );
        self.entries.push_back(entry);
    }

    /// Removes the entries from this index on.
    pub fn truncate_from(&mut self, index: u64) {
        let keep = index.saturating_sub(self.first);
        self.entries
            .truncate(usize::try_from(keep).unwrap_or(usize::MAX));
    }

    /// Removes the entries up to this index, itself included.
    pub fn purge(&mut self, index: u64) {
        while self.first <= index && self.entries.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// The last entry.
    #[must_use]
    pub fn last(&self) -> Option<&E> {
        self.entries.back()
    }

    /// The entries of a range of indexes that are there.
    pub fn range(&self, range: impl RangeBounds<u64>) -> impl Iterator<Item = &E> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let skipped = start
            .saturating_sub(self.first)
            .min(self.entries.len() as u64);
        let ended = end
            .saturating_sub(self.first)
            .clamp(skipped, self.entries.len() as u64);
        self.entries.range(skipped as usize..ended as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map_of_indexes(
            first in 0u64..5,
            steps in proptest::collection::vec((0u8..4, 0u64..30, 0u64..30), 0..60),
        ) {
            let mut tail = Tail::default();
            let mut map = BTreeMap::new();
            let mut next = first;
            for (kind, a, b) in steps {
                match kind {
                    0 | 1 => {
                        tail.push(next, next);
                        map.insert(next, next);
                        next += 1;
                    }
                    2 => {
                        tail.truncate_from(a);
                        map.split_off(&a);
                        next = map.keys().last().map_or(next.min(a.max(first)), |last| last + 1);
                    }
                    _ => {
                        tail.purge(a);
                        map = map.split_off(&(a + 1));
                        next = next.max(a + 1);
                        if map.is_empty() {
                            tail = Tail::default();
                        }
                    }
                }
                prop_assert_eq!(tail.last(), map.values().last());
                let (low, high) = (a.min(b), a.max(b));
                let got: Vec<u64> = tail.range(low..high).copied().collect();
                let want: Vec<u64> = map.range(low..high).map(|(_, value)| *value).collect();
                prop_assert_eq!(got, want);
            }
        }
    }
}
