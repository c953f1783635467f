// SPDX-License-Identifier: Apache-2.0
//! The oracle: what one watch tells that nothing ever disturbed, and what a listing shows.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::driver::DEADLINE;
use crate::raw::Raw;
use crate::value::{at, number};
use crate::verdict::Wrong;
use crate::watched::{Change, Watched, identity};

/// How far what a watch has told is what it should have told.
pub(crate) enum Judgement {
    Same,
    /// It may just not be there yet: what is missing.
    Behind(String),
}

/// The truth about what a watch asks for.
pub(crate) struct Truth {
    /// Every change after the watch's base.
    changes: Vec<Change>,
    /// What there is.
    objects: Vec<Value>,
}

/// The field of each kind in an event, its filter and its listing.
const KINDS: [(&str, &str, &str); 3] = [
    ("tasks", "task", "TaskService/ListTasks"),
    ("services", "service", "ServiceService/ListServices"),
    ("nodes", "node", "NodeService/ListNodes"),
];

impl Truth {
    /// Asks the daemon, straight.
    pub(crate) async fn about(watched: &Watched, raw: &Raw) -> Result<Self> {
        let found = KINDS.iter().find(|(kind, ..)| *kind == watched.kind);
        let (kind, field, list) = found.with_context(|| format!("no kind {}", watched.kind))?;
        let base = watched
            .base
            .ok_or_else(|| Wrong::new("the watch never told a state"))?;
        let (objects, revision) = list_all(raw, list, kind, &watched.filter).await?;
        let request = json!({
            *kind: watched.filter,
            "afterRevision": base.to_string(),
            "progressInterval": "1s",
        });
        let mut frames = raw.stream("WatchService/Watch", &request).await?;
        let mut changes = Vec::new();
        let until = Instant::now() + DEADLINE;
        loop {
            let frame = timeout(until - Instant::now(), frames.next()).await;
            let frame = frame.context("the runner's own watch says nothing")??;
            for event in frame["events"].as_array().into_iter().flatten() {
                changes.push(change(event, field)?);
            }
            if number(&frame["revision"]).is_some_and(|complete| complete >= revision) {
                return Ok(Self { changes, objects });
            }
        }
    }

    /// Compares with what the watch has told.
    pub(crate) fn judge(&self, watched: &Watched) -> Result<Judgement> {
        for (place, (told, true_one)) in watched.changes.iter().zip(&self.changes).enumerate() {
            if told != true_one {
                return Err(Wrong::new(format!(
                    "change {} after revision {:?} is {told:?}, and was {true_one:?} (missing or \
                     wrong event)",
                    place + 1,
                    watched.base
                )));
            }
        }
        if let Some(missing) = self.changes.get(watched.changes.len()) {
            return Ok(Judgement::Behind(format!("missing event {missing:?}")));
        }
        for object in &self.objects {
            let (id, _) = identity(object)?;
            let shown = watched.view.get(&id);
            if shown.map(stored) != Some(stored(object)) {
                let shown = shown.map_or_else(|| "nothing".to_owned(), Value::to_string);
                return Ok(Judgement::Behind(format!(
                    "the watch shows {shown} where the listing has {object}"
                )));
            }
        }
        if watched.view.len() != self.objects.len() {
            return Ok(Judgement::Behind(format!(
                "the watch shows {} objects and the listing {}",
                watched.view.len(),
                self.objects.len()
            )));
        }
        Ok(Judgement::Same)
    }
}

/// What both a watch and a listing show: a node that is read also has what its manager knows of it
/// at that moment, such as how far it is behind.
fn stored(object: &Value) -> Value {
    let mut object = object.clone();
    let is_node = at(&object, "meta.id").and_then(Value::as_str);
    if is_node.is_some_and(|id| id.starts_with("nod_")) {
        object["status"].take();
    }
    object
}

fn change(event: &Value, field: &str) -> Result<Change> {
    let (id, revision) = identity(&event[field])?;
    let kind = match event["type"].as_str() {
        Some("EVENT_TYPE_ADDED") => "added",
        Some("EVENT_TYPE_CHANGED") => "changed",
        Some("EVENT_TYPE_LEFT") => "left",
        Some("EVENT_TYPE_DELETED") => "deleted",
        other => bail!("an event of type {other:?}"),
    };
    Ok((kind.to_owned(), id, revision))
}

/// All objects that a filter lets through, and the revision of that.
async fn list_all(raw: &Raw, list: &str, kind: &str, filter: &Value) -> Result<(Vec<Value>, u64)> {
    let mut request = json!({"filter": filter});
    let mut objects = Vec::new();
    loop {
        let mut page = raw.read(list, &request).await?;
        if let Value::Array(more) = page[kind].take() {
            objects.extend(more);
        }
        match page["nextPageToken"].as_str() {
            None | Some("") => {
                let revision = number(&page["revision"]).context("a page without revision")?;
                return Ok((objects, revision));
            }
            Some(token) => request["pageToken"] = token.into(),
        }
    }
}
