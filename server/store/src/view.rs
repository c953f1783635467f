// SPDX-License-Identifier: Apache-2.0
//! What is applied, for everyone to read: the newest state, and the steps that led to it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use skep_core::model::Revision;
use skep_core::state::{History, HistoryLimits, State, Step};
use tokio::sync::watch;

/// A state and the history that led to it. It never changes.
#[derive(Debug, Clone, Default)]
pub struct Moment {
    /// The state.
    pub state: Arc<State>,
    /// The steps up to it that are still kept.
    pub history: History,
}

/// Where the state machine publishes, and views read.
#[derive(Debug)]
pub(crate) struct Published {
    moment: ArcSwap<Moment>,
    head: watch::Sender<Revision>,
    /// Whether nothing newer will ever be shown.
    ended: watch::Sender<bool>,
}

impl Published {
    pub(crate) fn new(state: State, history: History) -> Self {
        let head = watch::Sender::new(state.revision());
        let state = Arc::new(state);
        Self {
            moment: ArcSwap::from_pointee(Moment { state, history }),
            head,
            ended: watch::Sender::new(false),
        }
    }

    /// Shows a newer state, and the steps from the one before to it, to all who look. Only one
    /// may publish.
    pub(crate) fn show(&self, state: &State, steps: impl Iterator<Item = Step>) {
        let mut history = self.moment.load().history.clone();
        history.set_limits(HistoryLimits::of(state));
        steps.for_each(|step| history.push(step));
        self.set(state, history);
    }

    /// Wakes those who wait for what was shown: whoever hears the news finds what it is about.
    pub(crate) fn announce(&self) {
        let revision = self.moment.load().state.revision();
        self.head.send_replace(revision);
    }

    /// Shows a state with a history of its own.
    pub(crate) fn replace(&self, state: &State, history: History) {
        self.set(state, history);
        self.announce();
    }

    fn set(&self, state: &State, history: History) {
        let state = Arc::new(state.clone());
        self.moment.store(Arc::new(Moment { state, history }));
    }

    /// Says that this was all.
    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
    }

    pub(crate) fn moment(&self) -> Arc<Moment> {
        self.moment.load_full()
    }
}

/// Reads what is applied on this manager. Cheap to clone; never waits for the disk, nor for who
/// applies.
///
/// What it shows is the newest that this manager applied, which on a follower may be behind the
/// leader's; [`crate::Store::read_index`] says how far a read must be to be linearizable.
#[derive(Debug, Clone)]
pub struct View {
    published: Arc<Published>,
}

/// The history does not reach back as far as was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the history begins after revision {}", .compacted.0)]
pub struct Compacted {
    /// Everything after this revision is there, and nothing before.
    pub compacted: Revision,
}

impl View {
    pub(crate) fn new(published: Arc<Published>) -> Self {
        Self { published }
    }

    /// The newest state and the history that led to it. A later call may give a newer one.
    #[must_use]
    pub fn now(&self) -> Arc<Moment> {
        self.published.moment()
    }

    /// The newest state.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.published.moment.load().state)
    }

    /// The revision of the newest state.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.published.moment.load().state.revision()
    }

    /// Tells of newer states: the revision of the newest one. One who is slow misses some, and
    /// finds all their steps in the history.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Revision> {
        self.published.head.subscribe()
    }

    /// Waits until the newest state is at least at this revision, and gives it; nothing if the
    /// store stops before. Of a revision that is still to come nobody knows how far off it is:
    /// add a deadline.
    pub async fn at_least(&self, revision: Revision) -> Option<Arc<State>> {
        let (mut head, mut ended) = (self.subscribe(), self.published.ended.subscribe());
        tokio::select! {
            biased;
            reached = head.wait_for(|head| *head >= revision) => reached.is_ok(),
            _ = ended.wait_for(|ended| *ended) => false,
        }
        .then(|| self.state())
    }

    /// Looks at the history of the newest state.
    pub fn with_history<T>(&self, look: impl FnOnce(&History) -> T) -> T {
        look(&self.published.moment.load().history)
    }

    /// The steps after a revision, oldest first, at most so many. A step without events is not
    /// kept: reaching [`View::revision`] is what says that there is nothing more.
    ///
    /// # Errors
    /// If steps after that revision are gone.
    pub fn steps_after(
        &self,
        revision: Revision,
        steps_max: usize,
    ) -> Result<Vec<Step>, Compacted> {
        let moment = self.now();
        let compacted = moment.history.compacted();
        let steps = moment.history.after(revision);
        let steps = steps.ok_or(Compacted { compacted })?;
        Ok(steps.into_iter().take(steps_max).collect())
    }
}
