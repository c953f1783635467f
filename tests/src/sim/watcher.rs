// SPDX-License-Identifier: Apache-2.0
//! Watchers: each keeps a view by what it is told, and the view is compared with what was.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_core::filter::{NodeFilter, ServiceFilter, TaskFilter};
use skep_core::model::{ObjectId, Revision, Timestamp};
use skep_core::state::State;
use skep_core::watch::{Change, Cursor, Ended, Object, Options, Source, WatchEvent, WatchFilter};

use super::manager::Manager;
use super::oracle::Oracle;

/// About what an event weighs: little, so that steps are cut into frames often.
const EVENT_BYTES: usize = 400;

/// How many frames a watcher takes in one turn.
const FRAMES_PER_TURN_MAX: usize = 8;

/// A watcher.
pub(crate) struct Watcher {
    filter: WatchFilter,
    frame_bytes_max: usize,
    cursor: Option<(u64, Cursor<WatchEvent>)>,
    /// It has everything through this revision; 0: nothing yet.
    pub(crate) at: Revision,
    view: BTreeMap<ObjectId, Object>,
    /// What was told of the step that has not ended.
    partial: Vec<WatchEvent>,
    /// How often it had to begin anew.
    pub(crate) resets: u64,
    /// How often it went on where it was.
    pub(crate) resumes: u64,
}

impl Watcher {
    /// One that watches everything, or tasks only.
    pub(crate) fn new(everything: bool) -> Watcher {
        Watcher {
            filter: WatchFilter {
                tasks: Some(TaskFilter::default()),
                services: everything.then(ServiceFilter::default),
                nodes: everything.then(NodeFilter::default),
                swarm: everything,
            },
            frame_bytes_max: if everything { 4_000 } else { 1_000 },
            cursor: None,
            at: Revision(0),
            view: BTreeMap::new(),
            partial: Vec::new(),
            resets: 0,
            resumes: 0,
        }
    }

    /// Reads on; says what is wrong with what it reads.
    pub(crate) fn read(
        &mut self,
        manager: &Manager,
        oracle: &Oracle,
        now: Timestamp,
    ) -> Option<String> {
        let source = Source {
            state: &manager.log.state,
            history: &manager.log.history,
            fresh: true,
        };
        if self.cursor.as_ref().map(|(life, _)| *life) != Some(manager.life) {
            self.partial.clear();
            match self.begin(source, now) {
                Ok(cursor) => self.cursor = Some((manager.life, cursor)),
                Err(wrong) => return wrong,
            }
        }
        for _ in 0..FRAMES_PER_TURN_MAX {
            let (_, cursor) = self.cursor.as_mut()?;
            let frame = match cursor.next(source, now, |event| (event, EVENT_BYTES)) {
                Ok(Some(frame)) => frame,
                Ok(None) => return None,
                Err(ended) => {
                    self.cursor = None;
                    return self.ended(ended);
                }
            };
            self.partial.extend(frame.events);
            if frame.revision > Revision(0)
                && let Some(wrong) = self.take_over(frame.revision, oracle)
            {
                return Some(wrong);
            }
        }
        None
    }

    fn begin(
        &mut self,
        source: Source<'_>,
        now: Timestamp,
    ) -> Result<Cursor<WatchEvent>, Option<String>> {
        let options = Options {
            filter: self.filter.clone(),
            after: self.at,
            progress_interval: Duration::from_secs(1),
            frame_bytes_max: self.frame_bytes_max,
        };
        let started = Cursor::start(options, source, now);
        self.resumes += u64::from(started.is_ok() && self.at > Revision(0));
        started.map_err(|ended| self.ended(ended))
    }

    /// A watch ended: it begins anew if history is gone, and nothing else may be the reason.
    fn ended(&mut self, ended: Ended) -> Option<String> {
        match ended {
            Ended::Compacted(_) => {
                self.at = Revision(0);
                self.view.clear();
                self.partial.clear();
                self.resets += 1;
                None
            }
            other => Some(format!("a watch at {} ended: {other:?}", self.at)),
        }
    }

    fn take_over(&mut self, revision: Revision, oracle: &Oracle) -> Option<String> {
        if revision < self.at {
            return Some(format!("a watch went back from {} to {revision}", self.at));
        }
        for event in std::mem::take(&mut self.partial) {
            if let Some(wrong) = self.see(event) {
                return Some(format!("a watch, at {revision}: {wrong}"));
            }
        }
        self.at = revision;
        let Some(state) = oracle.state_at(revision) else {
            return Some(format!("a watch was told of {revision}, which nobody made"));
        };
        let differs = self.differs(state)?;
        Some(format!(
            "the view of a watch at {revision} differs: {differs}"
        ))
    }

    fn see(&mut self, event: WatchEvent) -> Option<String> {
        let (id, revision) = key(&event.object);
        let known = self.view.get(&id).map(|object| key(object).1);
        let right = match event.change {
            Change::Added => known.is_none(),
            Change::Changed => known.is_some_and(|known| known < revision),
            Change::Left | Change::Deleted => known.is_some(),
        };
        match event.change {
            Change::Added | Change::Changed => {
                self.view.insert(id, event.object);
            }
            Change::Left | Change::Deleted => {
                self.view.remove(&id);
            }
        }
        (!right).then(|| format!("{id} {:?} at {revision}, known at {known:?}", event.change))
    }

    /// Where the view differs from a state.
    fn differs(&self, state: &State) -> Option<String> {
        let mut objects: Vec<Object> = state.tasks().cloned().map(Object::Task).collect();
        if self.filter.swarm {
            objects.extend(state.services().cloned().map(Object::Service));
            objects.extend(state.nodes().cloned().map(Object::Node));
            objects.extend(state.swarm().cloned().map(Object::Swarm));
        }
        if objects.len() != self.view.len() {
            let (has, there) = (self.view.len(), objects.len());
            return Some(format!("{has} objects, and there were {there}"));
        }
        let unlike = objects.iter().find(|object| {
            let mine = self.view.get(&key(object).0);
            mine != Some(*object)
        });
        unlike.map(|object| {
            let mine = self.view.get(&key(object).0);
            format!("{object:?}, and not {mine:?}")
        })
    }
}

fn key(object: &Object) -> (ObjectId, Revision) {
    match object {
        Object::Swarm(swarm) => (ObjectId::Swarm(swarm.meta.id), swarm.meta.revision),
        Object::Node(node) => (ObjectId::Node(node.meta.id), node.meta.revision),
        Object::Service(service) => (ObjectId::Service(service.meta.id), service.meta.revision),
        Object::Task(task) => (ObjectId::Task(task.meta.id), task.meta.revision),
    }
}
