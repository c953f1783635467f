// SPDX-License-Identifier: Apache-2.0
//! Progress for programs: a JSON object a line.

use serde::Serialize;
use skep_sdk::{Object, View};

use super::follow::{Goal, Phase};
use super::picture::Picture;

/// What is said when something changed.
#[derive(Debug, PartialEq, Serialize)]
struct Line<'a> {
    service: &'a str,
    phase: &'static str,
    desired_tasks: u32,
    running_tasks: u32,
    updated_tasks: u32,
    places: Vec<PlaceLine>,
}

/// A slot, or a node.
#[derive(Debug, PartialEq, Serialize)]
struct PlaceLine {
    place: String,
    task: String,
    state: &'static str,
    message: String,
}

/// What is said last.
#[derive(Debug, Serialize)]
struct EndLine<'a> {
    service: &'a str,
    phase: &'static str,
    exit_code: u8,
    message: &'a str,
}

/// Remembers what was said.
#[derive(Debug)]
pub(super) struct Lines {
    service: String,
    goal: Goal,
    revision: u64,
    last: String,
}

impl Lines {
    /// Nothing was said yet.
    pub(super) fn new(service: String, goal: Goal, revision: u64) -> Self {
        Self {
            service,
            goal,
            revision,
            last: String::new(),
        }
    }

    /// What is to be said of what is seen; none: that is said already.
    pub(super) fn feed(&mut self, view: &View<Object>, phase: Phase) -> Option<String> {
        let picture = Picture::of(view, self.goal, self.revision);
        let status = view.service().and_then(|service| service.status.as_ref());
        let count = |of: fn(&skep_sdk::v1::ServiceStatus) -> u32| status.map_or(0, of);
        let places = picture.places.into_iter().map(|place| PlaceLine {
            place: place.key,
            task: place.name,
            state: place.word,
            message: place.trouble,
        });
        let line = Line {
            service: &self.service,
            phase: match (self.goal, phase) {
                (Goal::Deleted, _) => "removing",
                (_, Phase::Moving) => "moving",
                (_, Phase::Settling) => "settling",
            },
            desired_tasks: count(|status| status.desired_tasks),
            running_tasks: count(|status| status.running_tasks),
            updated_tasks: count(|status| status.updated_tasks),
            places: places.collect(),
        };
        let line = text(&line);
        (line != self.last).then(|| {
            self.last.clone_from(&line);
            line
        })
    }

    /// How it ended.
    pub(super) fn end(&self, exit_code: u8, message: &str) -> String {
        text(&EndLine {
            service: &self.service,
            phase: "ended",
            exit_code,
            message,
        })
    }
}

fn text(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("it is made of texts and numbers")
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::{GOAL, made_at, view};
    use super::*;
    use crate::sample;

    #[test]
    fn lines_are_objects_and_come_when_something_changed() {
        let mut lines = Lines::new("web".to_owned(), GOAL, 12);
        let seen = view(&[made_at(13, sample::pending_task(4, 2))]);
        let line = lines.feed(&seen, Phase::Moving).expect("it is new");
        assert_eq!(
            line,
            r#"{"service":"web","phase":"moving","desired_tasks":3,"running_tasks":2,"updated_tasks":2,"places":[{"place":"2/3","task":"web.2","state":"pending","message":"no suitable node (needs 4096 MiB, most free is 2048 MiB on 3 nodes)"}]}"#
        );
        assert_eq!(lines.feed(&seen, Phase::Moving), None);
        let settling = lines.feed(&seen, Phase::Settling).expect("it is new");
        assert!(settling.contains(r#""phase":"settling""#), "{settling}");
        assert_eq!(
            lines.end(11, "it \"failed\""),
            r#"{"service":"web","phase":"ended","exit_code":11,"message":"it \"failed\""}"#
        );
    }
}
