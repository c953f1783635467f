// SPDX-License-Identifier: Apache-2.0
//! Times, ids and texts as people read them, in Docker's words.

use std::time::Duration;

/// How many characters of an id are shown where it is not shown whole: the prefix and enough
/// digits to tell objects apart and to name one.
const SHORT_ID: usize = 12;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A span in one unit: `9 seconds`, `About a minute`, `3 weeks`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        s if s < MINUTE => format!("{s} seconds"),
        s if s < 2 * MINUTE => "About a minute".to_owned(),
        s if s < HOUR => format!("{} minutes", s / MINUTE),
        s if s < HOUR + HOUR / 2 => "About an hour".to_owned(),
        s if s < 2 * DAY - HOUR / 2 => format!("{} hours", (s + HOUR / 2) / HOUR),
        s if s < 3 * DAY => "2 days".to_owned(),
        s if s < 14 * DAY => format!("{} days", s / DAY),
        s if s < 60 * DAY => format!("{} weeks", s / DAY / 7),
        s if s < 730 * DAY => format!("{} months", s / DAY / 30),
        s => format!("{} years", s / DAY / 365),
    }
}

/// A span back from now: `9 seconds ago`.
pub(crate) fn ago(past: Duration) -> String {
    format!("{} ago", span(past))
}

/// A span on from now: `in 9 seconds`, `in about a minute`.
pub(crate) fn coming(ahead: Duration) -> String {
    format!("in {}", span(ahead).to_lowercase())
}

/// The beginning of an id, or all of it.
pub(crate) fn id(id: &str, whole: bool) -> String {
    if whole {
        id.to_owned()
    } else {
        id.chars().take(SHORT_ID).collect()
    }
}

/// A text cut to `limit` characters, the last one then being `…`. Line breaks become blanks, so
/// that a row stays a row.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    let text = one_line(text);
    if text.chars().count() <= limit {
        return text;
    }
    let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A text with its line breaks turned into blanks.
pub(crate) fn one_line(text: &str) -> String {
    text.trim_end()
        .replace("\r\n", " ")
        .replace(['\n', '\r', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_in_one_unit() {
        let cases = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3_599, "59 minutes"),
            (3_600, "About an hour"),
            (5_399, "About an hour"),
            (5_400, "2 hours"),
            (170_999, "47 hours"),
            (171_000, "2 days"),
            (172_800, "2 days"),
            (14 * 86_400, "2 weeks"),
            (60 * 86_400, "2 months"),
            (730 * 86_400, "2 years"),
        ];
        for (seconds, text) in cases {
            assert_eq!(span(Duration::from_secs(seconds)), text, "{seconds}");
        }
        assert_eq!(ago(Duration::from_secs(9)), "9 seconds ago");
        assert_eq!(coming(Duration::from_secs(9)), "in 9 seconds");
        assert_eq!(coming(Duration::from_secs(60)), "in about a minute");
    }

    #[test]
    fn texts_are_cut_by_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("äbcd", 3), "äb…");
        assert_eq!(cut("a\nb\r\nc\n", 9), "a b c");
        assert_eq!(id("svc_0123456789abcdef", false), "svc_01234567");
        assert_eq!(id("svc_0123456789abcdef", true), "svc_0123456789abcdef");
    }
}
