// SPDX-License-Identifier: Apache-2.0
//! The last lines a task printed, for the message of a failed one.

use std::collections::VecDeque;

use skep_core::node_agent::LAST_OUTPUT;

/// The most characters kept.
pub(crate) const LAST_CHARS: usize = 4_096;

/// The last lines, at most [`LAST_CHARS`] characters with their newlines.
#[derive(Default)]
pub struct LastLines {
    lines: VecDeque<String>,
    /// Characters of all lines, a newline counted for each.
    chars: usize,
}

impl LastLines {
    /// Adds a line; bytes that are no text become U+FFFD.
    pub fn push(&mut self, data: &[u8]) {
        // A character has at most four bytes, so what lies before these cannot be kept.
        let start = data.len().saturating_sub(LAST_CHARS * 4);
        let text = String::from_utf8_lossy(&data[start..]);
        let line = last_chars(&text, LAST_CHARS - 1).to_owned();
        self.chars += line.chars().count() + 1;
        self.lines.push_back(line);
        while self.chars > LAST_CHARS {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.chars -= oldest.chars().count() + 1;
        }
    }

    /// A message of at most `limit` characters: first why a task failed, then the last lines that
    /// it printed.
    #[must_use]
    pub fn behind(&self, mut message: String, limit: usize) -> String {
        let room = limit.saturating_sub(message.chars().count() + LAST_OUTPUT.len());
        let lines = self.text(room);
        if !lines.trim().is_empty() {
            message.push_str(LAST_OUTPUT);
            message.push_str(&lines);
        }
        message
    }

    /// The last lines that fit into `limit` characters, oldest first. If not even the last
    /// one fits, its end.
    #[must_use]
    pub fn text(&self, limit: usize) -> String {
        let mut chosen: Vec<&str> = Vec::new();
        let mut room = limit;
        for line in self.lines.iter().rev() {
            let needed = line.chars().count() + usize::from(!chosen.is_empty());
            if needed > room {
                if chosen.is_empty() {
                    chosen.push(last_chars(line, room));
                }
                break;
            }
            room -= needed;
            chosen.push(line);
        }
        chosen.reverse();
        chosen.join("\n")
    }
}

/// The last `count` characters of a text.
fn last_chars(text: &str, count: usize) -> &str {
    let skipped = text.chars().count().saturating_sub(count);
    let start = text
        .char_indices()
        .nth(skipped)
        .map_or(text.len(), |(at, _)| at);
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut last = LastLines::default();
        for number in 0..10_000 {
            last.push(format!("line {number}").as_bytes());
        }
        let text = last.text(LAST_CHARS);
        assert!(text.ends_with("line 9998\nline 9999"));
        assert!(text.chars().count() <= LAST_CHARS);
        assert!(text.chars().count() > LAST_CHARS - 20);
        assert!(last.lines.len() < 500);
    }

    #[test]
    fn a_text_has_whole_lines_while_they_fit() {
        let mut last = LastLines::default();
        last.push(b"first");
        last.push("zw\u{f6}lf".as_bytes());
        assert_eq!(last.text(11), "first\nzw\u{f6}lf");
        assert_eq!(last.text(9), "zw\u{f6}lf");
        assert_eq!(last.text(2), "lf");
        assert_eq!(last.text(0), "");
    }

    #[test]
    fn one_endless_line_keeps_its_end_and_bad_bytes_are_marked() {
        let mut last = LastLines::default();
        let mut data = "\u{e4}".repeat(16_384 / 2).into_bytes();
        data.extend_from_slice(b"\xff!");
        last.push(&data);
        let text = last.text(LAST_CHARS);
        assert_eq!(text.chars().count(), LAST_CHARS - 1);
        assert!(text.ends_with("\u{e4}\u{fffd}!"));
    }

    #[test]
    fn nothing_printed_is_an_empty_text() {
        assert_eq!(LastLines::default().text(100), "");
    }
}
