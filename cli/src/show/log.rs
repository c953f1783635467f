// SPDX-License-Identifier: Apache-2.0
//! Lines that tasks print, with the task before each: `web.1.tsk_00000001@node-1    | text`.

use std::collections::HashMap;

use skep_sdk::v1::{LogGap, LogLine, LogSource, LogStream, Ref, StreamLogsResponse};

use crate::output::human::id;
use crate::parse::when::format_rfc3339;

/// How lines are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// The time before all else.
    pub(crate) timestamps: bool,
    /// Nothing but the line.
    pub(crate) raw: bool,
    /// Ids whole.
    pub(crate) whole: bool,
    /// The id of the task behind its name.
    pub(crate) task_ids: bool,
    /// Names, not ids.
    pub(crate) resolve: bool,
}

/// Where a piece of text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Standard output.
    Out,
    /// Standard error: the task wrote it there.
    Err,
    /// Standard error: it is about the logs.
    Notice,
}

/// Turns frames into text. Remembers who is who.
#[derive(Debug)]
pub(crate) struct Printer {
    style: Style,
    prefixes: HashMap<String, String>,
    /// Tasks whose last line goes on in their next, with the stream it was on.
    open: HashMap<(String, i32), ()>,
}

impl Printer {
    /// Knows nobody yet.
    pub(crate) fn new(style: Style) -> Self {
        Self {
            style,
            prefixes: HashMap::new(),
            open: HashMap::new(),
        }
    }

    /// The texts of a frame, in order.
    pub(crate) fn feed(&mut self, frame: StreamLogsResponse) -> Vec<(Place, Vec<u8>)> {
        for source in frame.sources {
            let task = source.task.clone().unwrap_or_default().id;
            self.prefixes.insert(task, prefix(&source, &self.style));
        }
        let gaps = frame
            .gaps
            .iter()
            .map(|gap| (Place::Notice, self.gap(gap).into_bytes()));
        let mut texts: Vec<_> = gaps.collect();
        texts.extend(frame.lines.into_iter().map(|line| self.line(line)));
        texts
    }

    fn line(&mut self, line: LogLine) -> (Place, Vec<u8>) {
        let place = match line.stream() {
            LogStream::Stderr => Place::Err,
            LogStream::Stdout | LogStream::Unspecified => Place::Out,
        };
        let key = (line.task.clone(), line.stream);
        let goes_on = self.open.remove(&key).is_some();
        let mut text = Vec::new();
        if !goes_on {
            if self.style.timestamps {
                let time = line.time.unwrap_or_default();
                text.extend(format!("{} ", format_rfc3339(time.seconds, time.nanos)).bytes());
            }
            if !self.style.raw {
                let prefix = self.prefixes.get(&line.task).unwrap_or(&line.task);
                text.extend(format!("{prefix}    | ").bytes());
            }
        }
        text.extend(line.data);
        if line.partial {
            self.open.insert(key, ());
        } else {
            text.push(b'\n');
        }
        (place, text)
    }

    /// What is missing, and why.
    fn gap(&self, gap: &LogGap) -> String {
        let lines = match gap.lines {
            0 => "lines are missing".to_owned(),
            1 => "1 line is missing".to_owned(),
            lines => format!("{lines} lines are missing"),
        };
        let of = match (gap.task.as_str(), &gap.node) {
            ("", Some(node)) => format!("the tasks on {}", self.word(node)),
            (task, _) => self
                .prefixes
                .get(task)
                .cloned()
                .unwrap_or_else(|| task.to_owned()),
        };
        let why = if gap.message.is_empty() {
            &gap.reason
        } else {
            &gap.message
        };
        format!("of {of}: {lines} ({why})")
    }

    fn word(&self, reference: &Ref) -> String {
        word(reference, &self.style)
    }
}

fn word(reference: &Ref, style: &Style) -> String {
    if style.resolve && !reference.name.is_empty() {
        reference.name.clone()
    } else {
        id(&reference.id, style.whole)
    }
}

/// Who printed a line.
fn prefix(source: &LogSource, style: &Style) -> String {
    let task = source.task.clone().unwrap_or_default();
    let mut text = if style.resolve {
        task.name.clone()
    } else {
        id(&task.id, style.whole)
    };
    if style.resolve && style.task_ids {
        text = format!("{text}.{}", id(&task.id, style.whole));
    }
    match &source.node {
        Some(node) => format!("{text}@{}", word(node, style)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const STYLE: Style = Style {
        timestamps: false,
        raw: false,
        whole: false,
        task_ids: true,
        resolve: true,
    };

    fn source() -> LogSource {
        let task = sample::task(1, 1);
        LogSource {
            task: Some(Ref {
                id: sample::id("tsk", 1),
                name: task.name,
            }),
            service: task.service,
            node: task.node,
        }
    }

    fn line(stream: LogStream, data: &str, partial: bool) -> LogLine {
        LogLine {
            task: sample::id("tsk", 1),
            stream: stream.into(),
            data: data.as_bytes().to_vec().into(),
            partial,
            time: sample::ago(0),
            ..LogLine::default()
        }
    }

    fn show(style: Style, lines: Vec<LogLine>) -> Vec<(Place, String)> {
        let frame = StreamLogsResponse {
            sources: vec![source()],
            lines,
            gaps: vec![],
        };
        let texts = Printer::new(style).feed(frame).into_iter();
        texts
            .map(|(place, text)| (place, String::from_utf8(text).unwrap()))
            .collect()
    }

    #[test]
    fn lines_say_who_printed_them() {
        let one = vec![line(LogStream::Stdout, "hello", false)];
        let cases = [
            (STYLE, "web.1.tsk_00000001@node-1    | hello\n"),
            (
                Style {
                    task_ids: false,
                    ..STYLE
                },
                "web.1@node-1    | hello\n",
            ),
            (
                Style {
                    resolve: false,
                    ..STYLE
                },
                "tsk_00000001@nod_00000001    | hello\n",
            ),
            (Style { raw: true, ..STYLE }, "hello\n"),
            (
                Style {
                    raw: true,
                    timestamps: true,
                    ..STYLE
                },
                "2026-11-23T09:00:00.000000000Z hello\n",
            ),
        ];
        for (style, text) in cases {
            assert_eq!(show(style, one.clone()), [(Place::Out, text.to_owned())]);
        }
    }

    #[test]
    fn a_line_in_pieces_is_one_line_on_its_own_stream() {
        let lines = vec![
            line(LogStream::Stdout, "be", true),
            line(LogStream::Stderr, "err", false),
            line(LogStream::Stdout, "gin", false),
            line(LogStream::Stdout, "next", false),
        ];
        let raw = Style { raw: true, ..STYLE };
        let expected = [
            (Place::Out, "be".to_owned()),
            (Place::Err, "err\n".to_owned()),
            (Place::Out, "gin\n".to_owned()),
            (Place::Out, "next\n".to_owned()),
        ];
        assert_eq!(show(raw, lines), expected);
    }

    #[test]
    fn what_is_missing_is_said() {
        let gap = |task: &str, lines, reason: &str, message: &str| LogGap {
            task: task.into(),
            node: sample::task(1, 1).node,
            reason: reason.into(),
            message: message.into(),
            lines,
        };
        let gaps = vec![
            gap(&sample::id("tsk", 1), 12, "ROTATED", ""),
            gap("", 0, "NODE_DOWN", "the node does not answer"),
        ];
        let frame = StreamLogsResponse {
            sources: vec![source()],
            lines: vec![],
            gaps,
        };
        let texts = Printer::new(STYLE).feed(frame);
        let texts: Vec<_> = texts
            .iter()
            .map(|(_, t)| String::from_utf8_lossy(t))
            .collect();
        assert_eq!(
            texts,
            [
                "of web.1.tsk_00000001@node-1: 12 lines are missing (ROTATED)",
                "of the tasks on node-1: lines are missing (the node does not answer)",
            ]
        );
    }
}
