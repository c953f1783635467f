// SPDX-License-Identifier: Apache-2.0
//! Moments, as the engine writes them.

use std::time::{SystemTime, UNIX_EPOCH};

use skep_core::model::Timestamp;

const NANOS: i64 = 1_000_000_000;

/// What time it is on this machine.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(0).after(since.unwrap_or_default())
}

/// A moment of RFC 3339; nothing: it is none, or the engine's word for "never", in the year 1.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let time: prost_types::Timestamp = text.parse().ok()?;
    let nanos = time.seconds.checked_mul(NANOS)?;
    let nanos = nanos.checked_add(i64::from(time.nanos))?;
    (nanos > 0).then_some(Timestamp(nanos))
}

/// Whole seconds since 1970, rounded down.
pub(crate) fn seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(NANOS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_to_the_nanosecond() {
        let want = Timestamp(1_700_000_000_000_000_001);
        assert_eq!(parse("2023-11-14T22:13:20.000000001Z"), Some(want));
        assert_eq!(parse("2023-11-14T23:13:20.000000001+01:00"), Some(want));
        assert_eq!(seconds(want), 1_700_000_000);
        assert_eq!(parse("0001-01-01T00:00:00Z"), None);
        assert_eq!(parse("soon"), None);
    }
}
