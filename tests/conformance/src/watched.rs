// SPDX-License-Identifier: Apache-2.0
//! What a watch of a driver has told, judged with every event: that it begins with a state, goes
//! forward, is complete where it says so, and tells nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::value::{at, matches, number};
use crate::verdict::Wrong;

/// One change: its type, the object's id and its `meta.revision`.
pub(crate) type Change = (String, String, u64);

/// A watch of a driver.
pub(crate) struct Watched {
    pub(crate) kind: String,
    pub(crate) filter: Value,
    /// All events, in order.
    pub(crate) events: Vec<Value>,
    /// The objects that it shows, by id.
    pub(crate) view: BTreeMap<String, Value>,
    /// It is complete through this revision.
    pub(crate) revision: u64,
    pub(crate) resets: usize,
    /// The revision that `changes` begin after; none before the first state is complete.
    pub(crate) base: Option<u64>,
    /// Changes since the last time it began anew.
    pub(crate) changes: Vec<Change>,
    told: BTreeSet<Change>,
    /// The newest `meta.revision` since it was complete.
    newest: u64,
    /// It began anew, and its first state is not complete.
    beginning: bool,
}

impl Watched {
    pub(crate) fn new(kind: &str, filter: Value, from: u64) -> Self {
        Self {
            kind: kind.to_owned(),
            filter,
            events: Vec::new(),
            view: BTreeMap::new(),
            revision: from,
            resets: 0,
            base: (from > 0).then_some(from),
            changes: Vec::new(),
            told: BTreeSet::new(),
            newest: 0,
            beginning: false,
        }
    }

    /// Takes in the next event.
    ///
    /// # Errors
    /// It breaks a promise of watches.
    pub(crate) fn take(&mut self, event: Value) -> Result<()> {
        let kind = event["type"]
            .as_str()
            .context("an event without type")?
            .to_owned();
        match kind.as_str() {
            "reset" => self.reset(&event)?,
            "progress" => self.progress(&event)?,
            "added" | "changed" | "left" | "deleted" => self.change(&kind, &event)?,
            other => return Err(Wrong::new(format!("there are no events of type {other:?}"))),
        }
        self.events.push(event);
        Ok(())
    }

    fn reset(&mut self, event: &Value) -> Result<()> {
        self.resets += 1;
        self.beginning = true;
        self.base = None;
        self.changes.clear();
        self.told.clear();
        self.view.clear();
        for object in event["objects"].as_array().into_iter().flatten() {
            let (id, _) = identity(object)?;
            if self.view.insert(id.clone(), object.clone()).is_some() {
                return Err(Wrong::new(format!("{id} is twice in one state")));
            }
        }
        Ok(())
    }

    fn progress(&mut self, event: &Value) -> Result<()> {
        let revision = number(&event["revision"]).context("progress without revision")?;
        let head = number(&event["head_revision"]).context("progress without head_revision")?;
        if head < revision {
            let what = format!("the head {head} is before revision {revision}");
            return Err(Wrong::new(what));
        }
        if self.beginning {
            self.beginning = false;
            self.base = Some(revision);
        } else if revision < self.revision || revision < self.newest {
            let what = format!(
                "it is complete through {revision}, and before was through {} and told of {}",
                self.revision, self.newest
            );
            return Err(Wrong::new(what));
        }
        self.revision = revision;
        self.newest = 0;
        Ok(())
    }

    fn change(&mut self, kind: &str, event: &Value) -> Result<()> {
        let object = &event["object"];
        let (id, revision) = identity(object)?;
        if self.beginning || self.base.is_none() {
            return Err(Wrong::new(format!(
                "{kind} {id} before the first state was complete"
            )));
        }
        // What is deleted is told of as it was at last.
        if kind != "deleted" {
            if revision <= self.revision || revision < self.newest {
                let what = format!(
                    "{kind} {id} of revision {revision} after it was complete through {} and \
                     told of {}",
                    self.revision, self.newest
                );
                return Err(Wrong::new(what));
            }
            self.newest = revision;
        }
        let change = (kind.to_owned(), id.clone(), revision);
        if !self.told.insert(change.clone()) {
            return Err(Wrong::new(format!(
                "{kind} {id} of revision {revision} is told twice"
            )));
        }
        self.changes.push(change);
        if matches!(kind, "added" | "changed") {
            self.view.insert(id, object.clone());
        } else {
            self.view.remove(&id);
        }
        Ok(())
    }

    /// How many objects it shows that are like this.
    pub(crate) fn count(&self, like: &Value) -> Result<usize> {
        let mut count = 0;
        for object in self.view.values() {
            count += usize::from(matches(like, Some(object))?);
        }
        Ok(count)
    }
}

/// An object's id and its revision.
pub(crate) fn identity(object: &Value) -> Result<(String, u64)> {
    let id = at(object, "meta.id").and_then(Value::as_str);
    let revision = at(object, "meta.revision").and_then(number);
    let both = id.map(str::to_owned).zip(revision);
    both.with_context(|| format!("an object without id or revision: {object}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, id: &str, revision: u64) -> Value {
        let meta = json!({"id": id, "revision": revision.to_string()});
        json!({"type": kind, "object": {"meta": meta}})
    }

    fn progress(revision: u64) -> Value {
        json!({"type": "progress", "revision": revision.to_string(), "head_revision": "99"})
    }

    fn told(events: &[Value]) -> Result<Watched> {
        let mut watched = Watched::new("tasks", json!({}), 0);
        for event in events {
            watched.take(event.clone())?;
        }
        Ok(watched)
    }

    #[test]
    fn a_good_watch_is_a_view() {
        let reset = json!({"type": "reset", "objects": [event("", "a", 3)["object"]]});
        let watched = told(&[
            reset,
            progress(5),
            event("added", "b", 6),
            event("deleted", "a", 3),
            progress(7),
            progress(7),
        ]);
        let watched = watched.unwrap();
        assert_eq!((watched.revision, watched.base), (7, Some(5)));
        assert_eq!(watched.view.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(watched.count(&json!({"meta": {"id": "b"}})).unwrap(), 1);
    }

    #[test]
    fn broken_promises_are_found() {
        let reset = || json!({"type": "reset", "objects": []});
        let begun = || vec![reset(), progress(5)];
        let bad = |more: &[Value], words: &str| {
            let events = [begun(), more.to_vec()].concat();
            let told = told(&events).map(|_| ());
            let error = told.expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        };
        bad(&[event("added", "a", 5)], "after it was complete through 5");
        bad(
            &[event("added", "a", 8), event("added", "b", 7)],
            "told of 8",
        );
        bad(&[progress(4)], "complete through 4");
        bad(&[event("added", "a", 8), progress(7)], "told of 8");
        bad(
            &[event("left", "a", 8), event("left", "a", 8)],
            "told twice",
        );
        assert!(told(&[event("added", "a", 8)]).is_err());
    }
}
