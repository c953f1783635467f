// SPDX-License-Identifier: Apache-2.0
//! Watches by name, and their events as the runner reads them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use skep_sdk::v1::{Node, NodeFilter, Service, ServiceFilter, Task, TaskFilter, WatchRequest};
use skep_sdk::{Client, Identified, Name, StreamExt, Watch, WatchEvent};
use tokio::sync::Mutex;

use crate::faults::{Fault, LateWatch};
use crate::json::{Answer, broken, failure, read, write};

/// Which change a watch loses, with that fault.
const DROPPED: u32 = 3;

/// A kind of object that the runner watches.
pub(crate) trait Watched: Identified + Name {
    /// An event as the runner reads it.
    fn event(event: &WatchEvent<Self>) -> Value {
        let one = |kind: &str, object: &Self| json!({"type": kind, "object": write(object)});
        match event {
            WatchEvent::Reset(objects) => {
                let objects: Vec<_> = objects.iter().map(write).collect();
                json!({"type": "reset", "objects": objects})
            }
            WatchEvent::Added(object) => one("added", object),
            WatchEvent::Changed(object) => one("changed", object),
            WatchEvent::Left(object) => one("left", object),
            WatchEvent::Deleted(object) => one("deleted", object),
            WatchEvent::Progress {
                revision,
                head_revision,
            } => json!({
                "type": "progress",
                "revision": revision.to_string(),
                "head_revision": head_revision.to_string(),
            }),
        }
    }
}

impl Watched for Task {}
impl Watched for Service {}
impl Watched for Node {}

/// A watch on one kind.
enum Source {
    Tasks(Watch<Task>),
    Services(Watch<Service>),
    Nodes(Watch<Node>),
    Late(String, Box<LateWatch>),
}

struct Open {
    source: Source,
    fault: Option<Fault>,
    changes: u32,
}

/// The watches that are open.
#[derive(Default, Clone)]
pub(crate) struct Watches(Arc<Mutex<BTreeMap<String, Arc<Mutex<Open>>>>>);

impl Watches {
    /// Opens one.
    pub(crate) async fn open(
        &self,
        client: &Client,
        fault: Option<Fault>,
        order: &Value,
    ) -> Answer {
        let filter = match &order["filter"] {
            Value::Null => json!({}),
            filter => filter.clone(),
        };
        let from = order["from_revision"].as_str().unwrap_or("0").parse();
        let mut request = WatchRequest {
            after_revision: from.map_err(|_| broken("from_revision is no number"))?,
            ..WatchRequest::default()
        };
        let kind = order["kind"].as_str().unwrap_or_default();
        match kind {
            "tasks" => request.tasks = Some(read::<TaskFilter>(&filter)?),
            "services" => request.services = Some(read::<ServiceFilter>(&filter)?),
            "nodes" => request.nodes = Some(read::<NodeFilter>(&filter)?),
            other => return Err(broken(&format!("there is no kind {other:?}"))),
        }
        let source = match kind {
            _ if fault == Some(Fault::ResumeLate) => {
                let watch = LateWatch::new(client.clone(), request);
                Source::Late(kind.to_owned(), Box::new(watch))
            }
            "tasks" => Source::Tasks(client.watch(request)),
            "services" => Source::Services(client.watch(request)),
            _ => Source::Nodes(client.watch(request)),
        };
        let open = Open {
            source,
            fault,
            changes: 0,
        };
        let name = order["watch"].as_str().unwrap_or_default().to_owned();
        self.0.lock().await.insert(name, Arc::new(Mutex::new(open)));
        Ok(json!({}))
    }

    /// The next event of one, or that there was none in time.
    pub(crate) async fn next(&self, name: &str, timeout: Duration) -> Answer {
        let open = self.0.lock().await.get(name).cloned();
        let open = open.ok_or_else(|| broken(&format!("there is no watch {name:?}")))?;
        let mut open = open.lock().await;
        match tokio::time::timeout(timeout, open.next()).await {
            Err(_) => Ok(json!({"timeout": true})),
            Ok(event) => Ok(json!({"event": event?})),
        }
    }

    /// Closes one.
    pub(crate) async fn close(&self, name: &str) -> Answer {
        self.0.lock().await.remove(name);
        Ok(json!({}))
    }
}

impl Open {
    async fn next(&mut self) -> Answer {
        loop {
            let event = self.source.next().await?;
            let is_change = !matches!(event["type"].as_str(), Some("reset" | "progress"));
            self.changes += u32::from(is_change);
            if self.fault == Some(Fault::DropEvent) && is_change && self.changes == DROPPED {
                continue;
            }
            return Ok(event);
        }
    }
}

impl Source {
    async fn next(&mut self) -> Answer {
        match self {
            Self::Tasks(watch) => next(watch).await,
            Self::Services(watch) => next(watch).await,
            Self::Nodes(watch) => next(watch).await,
            Self::Late(kind, watch) => match kind.as_str() {
                "tasks" => watch.next::<Task>().await,
                "services" => watch.next::<Service>().await,
                _ => watch.next::<Node>().await,
            },
        }
    }
}

async fn next<O: Watched>(watch: &mut Watch<O>) -> Answer {
    match watch.next().await {
        Some(Ok(event)) => Ok(O::event(&event)),
        Some(Err(error)) => Err(failure(&error)),
        None => Err(broken("a watch has ended, which none ever does")),
    }
}
