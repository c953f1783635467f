// SPDX-License-Identifier: Apache-2.0
//! Events of a watch: a line each for people, an object or a template's line for programs.

use serde::Serialize;
use skep_sdk::v1::condition::Status as Truth;
use skep_sdk::v1::{Node, Service, Swarm, Task, TaskState};
use skep_sdk::{Identified, Object, WatchEvent};

use super::service::replicas;
use super::task::trouble;
use crate::commands::watch::StreamFlags;
use crate::failure::Failure;
use crate::output::format::Format;
use crate::output::human::{id, one_line};
use crate::output::json::Json;
use crate::output::template::Scope;
use crate::output::words;

/// An object that a watch can show.
pub(crate) trait Shown: Identified {
    /// What is said of it.
    fn describe(&self) -> Description;
    /// It as proto JSON.
    fn json(&self) -> Json;
}

/// What is said of an object in an event.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Description {
    kind: &'static str,
    name: String,
    state: String,
    node: String,
    /// A task that has not ended, and is to, and of which that is not said already.
    stopping: bool,
    message: String,
}

impl Shown for Task {
    fn describe(&self) -> Description {
        let status = self.status.clone().unwrap_or_default();
        Description {
            kind: "task",
            name: self.name.clone(),
            state: words::task_now(&status).to_owned(),
            node: self
                .node
                .as_ref()
                .map_or_else(String::new, |node| node.name.clone()),
            stopping: self.desired_state() > TaskState::Running
                && status.state() <= TaskState::Running
                && words::task_now(&status) == words::task_state(status.state()),
            message: one_line(&trouble(&status)),
        }
    }

    fn json(&self) -> Json {
        Json::of(self)
    }
}

impl Shown for Service {
    fn describe(&self) -> Description {
        let is_deleting = self
            .meta
            .as_ref()
            .is_some_and(|meta| meta.delete_time.is_some());
        let conditions = self
            .status
            .as_ref()
            .map_or(&[][..], |status| &status.conditions);
        let holds = |name: &str| {
            conditions
                .iter()
                .find(|c| c.r#type == name && c.status() == Truth::True)
        };
        let stalled = holds("STALLED");
        let word = match (is_deleting, stalled, holds("CONVERGED")) {
            (true, ..) => "removing",
            (_, Some(_), _) => "stalled",
            (_, _, Some(_)) => "converged",
            _ => "updating",
        };
        Description {
            kind: "service",
            name: self.spec.clone().unwrap_or_default().name,
            state: format!("{} {word}", replicas(self)),
            message: stalled.map_or_else(String::new, |condition| one_line(&condition.message)),
            ..Description::default()
        }
    }

    fn json(&self) -> Json {
        Json::of(self)
    }
}

impl Shown for Node {
    fn describe(&self) -> Description {
        let spec = self.spec.clone().unwrap_or_default();
        let status = self.status.clone().unwrap_or_default();
        let availability = words::availability(spec.availability());
        Description {
            kind: "node",
            name: spec.name,
            state: format!("{} {availability}", words::node_state(status.state())),
            message: one_line(&status.message),
            ..Description::default()
        }
    }

    fn json(&self) -> Json {
        Json::of(self)
    }
}

impl Shown for Swarm {
    fn describe(&self) -> Description {
        let name = self.spec.clone().unwrap_or_default().name;
        // A watch tells of the settings alone.
        let nodes = self.status.clone().and_then(|status| status.nodes);
        let state = nodes.map_or_else(String::new, |nodes| {
            format!(
                "{} of {} ready",
                nodes.ready,
                words::count(nodes.total, "node")
            )
        });
        Description {
            kind: "swarm",
            name: if name.is_empty() {
                "default".to_owned()
            } else {
                name
            },
            state,
            ..Description::default()
        }
    }

    fn json(&self) -> Json {
        Json::of(self)
    }
}

impl Shown for Object {
    fn describe(&self) -> Description {
        match self {
            Self::Task(task) => task.describe(),
            Self::Service(service) => service.describe(),
            Self::Node(node) => node.describe(),
            Self::Swarm(swarm) => swarm.describe(),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Task(task) => task.json(),
            Self::Service(service) => service.json(),
            Self::Node(node) => node.json(),
            Self::Swarm(swarm) => swarm.json(),
        }
    }
}

/// An event as a program reads it.
#[derive(Serialize)]
struct EventJson<'a> {
    revision: String,
    r#type: &'static str,
    kind: &'static str,
    object: &'a Json,
}

/// The text of an event at a revision, ended by a newline. Events without an object have none.
pub(crate) fn render<O: Shown>(
    event: &WatchEvent<O>,
    revision: u64,
    flags: &StreamFlags,
) -> Result<String, Failure> {
    let (word, object) = match event {
        WatchEvent::Added(object) => ("ADDED", object),
        WatchEvent::Changed(object) => ("CHANGED", object),
        WatchEvent::Left(object) => ("LEFT", object),
        WatchEvent::Deleted(object) => ("DELETED", object),
        WatchEvent::Reset(_) | WatchEvent::Progress { .. } => return Ok(String::new()),
    };
    // Several revisions may share a step: the object knows its own, while it is there.
    let is_there = !matches!(event, WatchEvent::Deleted(_));
    let own = object
        .meta()
        .filter(|_| is_there)
        .map(|meta| meta.revision.min(revision));
    let revision = own.unwrap_or(revision);
    let about = object.describe();
    match &flags.format {
        Format::Table => Ok(line(word, &about, object.id(), revision, flags.no_trunc)),
        Format::Json | Format::Yaml => {
            let json = object.json();
            let event = EventJson {
                revision: revision.to_string(),
                r#type: word,
                kind: about.kind,
                object: &json,
            };
            to_text(&event, &flags.format)
        }
        Format::Template(template) | Format::TableOf(template) => {
            let columns = [
                ("Revision", revision.to_string()),
                ("Type", word.to_owned()),
                ("Kind", about.kind.to_owned()),
                ("ID", object.id().to_owned()),
                ("Name", about.name),
                ("State", about.state),
                ("Node", about.node),
                ("Message", about.message),
            ];
            let text = template.render(Scope {
                columns: &columns,
                object: &object.json(),
            });
            Ok(text.map_err(Failure::usage)? + "\n")
        }
    }
}

/// JSON on one line, or a YAML document.
fn to_text(event: &EventJson<'_>, format: &Format) -> Result<String, Failure> {
    let broken = |error: String| Failure::refused(format!("cannot write the event: {error}"));
    if *format == Format::Yaml {
        let text = serde_yaml_ng::to_string(event).map_err(|error| broken(error.to_string()))?;
        return Ok(format!("---\n{text}"));
    }
    serde_json::to_string(event)
        .map(|text| text + "\n")
        .map_err(|error| broken(error.to_string()))
}

/// `41  CHANGED  task     web.1  tsk_00000001  Running on node-1`.
fn line(word: &str, about: &Description, whole_id: &str, revision: u64, whole: bool) -> String {
    let Description {
        kind,
        name,
        state,
        node,
        stopping,
        message,
    } = about;
    let wish = if *stopping { ", stopping" } else { "" };
    let on = if node.is_empty() {
        String::new()
    } else {
        format!(" on {node}")
    };
    let why = if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    };
    let id = id(whole_id, whole);
    format!("{revision:<7} {word:<7} {kind:<7} {name:<15} {id}  {state}{on}{wish}{why}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn flags(format: &str) -> StreamFlags {
        StreamFlags {
            after: 0,
            format: Format::parse(format).unwrap(),
            no_trunc: false,
        }
    }

    fn events() -> Vec<WatchEvent<Object>> {
        let failed = sample::task_in(2, 1, TaskState::Failed, "task: non-zero exit (3)\nboom");
        let mut stopping = sample::task(1, 1);
        stopping.set_desired_state(TaskState::Stopped);
        let mut draining = stopping.clone();
        draining.status.get_or_insert_default().reason = "DRAINING".into();
        let mut stalled = sample::global_service();
        stalled.status.get_or_insert_default().conditions = vec![sample::condition(
            "STALLED",
            Truth::True,
            "ATTEMPTS_EXHAUSTED",
            "agent.node-1 failed 3 times",
        )];
        let mut removing = sample::service();
        removing.meta.get_or_insert_default().delete_time = sample::ago(1);
        vec![
            WatchEvent::Reset(vec![]),
            WatchEvent::Added(Object::Swarm(sample::swarm())),
            WatchEvent::Added(Object::Node(sample::node("node-1"))),
            WatchEvent::Changed(Object::Node(sample::lost_node("node-2"))),
            WatchEvent::Added(Object::Service(sample::service())),
            WatchEvent::Changed(Object::Service(stalled)),
            WatchEvent::Changed(Object::Service(removing)),
            WatchEvent::Added(Object::Task(sample::pending_task(4, 2))),
            WatchEvent::Changed(Object::Task(sample::task(1, 1))),
            WatchEvent::Changed(Object::Task(stopping)),
            WatchEvent::Changed(Object::Task(draining)),
            WatchEvent::Left(Object::Task(failed)),
            WatchEvent::Deleted(Object::Task(sample::task_in(3, 1, TaskState::Stopped, ""))),
            WatchEvent::Progress {
                revision: 40,
                head_revision: 40,
            },
        ]
    }

    #[test]
    fn events_are_lines_for_people() {
        let lines: String = events()
            .iter()
            .map(|e| render(e, 40, &flags("table")).unwrap())
            .collect();
        crate::golden::check("watch.txt", &lines);
    }

    #[test]
    fn events_are_objects_for_programs() {
        let event = WatchEvent::Changed(Object::Task(sample::task(1, 1)));
        let text = render(&event, 41, &flags("json")).unwrap();
        assert_eq!(text.lines().count(), 1);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&json["revision"], &json["type"]),
            (&"40".into(), &"CHANGED".into())
        );
        assert_eq!(json["object"]["status"]["state"], "TASK_STATE_RUNNING");
        assert!(
            render(&event, 41, &flags("yaml"))
                .unwrap()
                .starts_with("---\nrevision: '40'\n")
        );
        let template = flags("{{.Type}} {{.Name}} {{.State}} {{.status.pid}}");
        assert_eq!(
            render(&event, 41, &template).unwrap(),
            "CHANGED web.1 Running 4711\n"
        );
    }
}
