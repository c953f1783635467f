// SPDX-License-Identifier: Apache-2.0
//! How long a caller is ready to wait.

use std::time::Duration;

use http::HeaderMap;

/// The most that the answer is sent ahead of the time that the caller gave. The gRPC libraries
/// at both ends have timers of their own, whose errors say less than ours.
const AHEAD_MAX: Duration = Duration::from_millis(100);

/// How long the caller is ready to wait; nothing: they did not say, or not so that it can be
/// understood.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    parse(text).map(|timeout| timeout - AHEAD_MAX.min(timeout / 10))
}

/// At most 8 digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_all_units() {
        for (text, want) in [
            ("1H", Some(Duration::from_secs(3_600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("99999999H", Some(Duration::from_secs(359_999_996_400))),
            ("123456789S", None),
            ("S", None),
            ("", None),
            ("+1S", None),
            ("1s", None),
            ("1", None),
            ("1ß", None),
        ] {
            assert_eq!(parse(text), want, "{text:?}");
        }
    }
}
