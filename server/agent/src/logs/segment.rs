// SPDX-License-Identifier: Apache-2.0
//! Files of a log: their names, when a new one begins, which are deleted.

use super::LogLimits;

/// The name of the segment that begins with line `first`. Names sort as their numbers do.
pub(super) fn name(first: u64) -> String {
    format!("{first:020}.log")
}

/// The number of the first line in the segment with this name; none: it is no segment.
pub(super) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

/// Whether a batch of `batch` bytes belongs into a new segment, if the present one has `used`.
/// One batch never spans two segments, and none stays empty.
pub(super) fn is_full(used: u64, batch: u64, limits: &LogLimits) -> bool {
    used > 0 && used.saturating_add(batch) > limits.segment_bytes
}

/// How many of the oldest of `count` segments are too many.
pub(super) fn surplus(count: usize, limits: &LogLimits) -> usize {
    count.saturating_sub(limits.segments.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_where_a_segment_begins_and_sort() {
        assert_eq!(first_of(&name(7)), Some(7));
        assert_eq!(first_of(&name(u64::MAX)), Some(u64::MAX));
        assert!(name(9) < name(10));
        for other in ["7.log", "x.log", "00000000000000000007.tmp", ""] {
            assert_eq!(first_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_segment_is_full_when_a_batch_would_pass_its_size() {
        let limits = LogLimits {
            segment_bytes: 100,
            ..LogLimits::default()
        };
        assert!(!is_full(0, 500, &limits), "an empty one takes anything");
        assert!(!is_full(60, 40, &limits));
        assert!(is_full(60, 41, &limits));
    }

    #[test]
    fn the_oldest_are_surplus_and_the_newest_never_is() {
        let limits = LogLimits {
            segments: 3,
            ..LogLimits::default()
        };
        assert_eq!(
            [0, 1, 3, 4, 9].map(|count| surplus(count, &limits)),
            [0, 0, 0, 1, 6]
        );
        let none = LogLimits {
            segments: 0,
            ..limits
        };
        assert_eq!(surplus(1, &none), 0);
    }
}
