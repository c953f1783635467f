// SPDX-License-Identifier: Apache-2.0
//! Which backend each UDP client talks to, and when that is forgotten.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::moment::Moment;

/// When a session was last used, in either direction. Answers are noted by whoever passes
/// them on, without the table.
#[derive(Debug)]
pub(crate) struct LastUse(AtomicU64);

impl LastUse {
    pub(crate) fn new(now: Moment) -> Arc<LastUse> {
        Arc::new(LastUse(AtomicU64::new(now.0)))
    }

    /// Notes a use.
    pub(crate) fn note(&self, now: Moment) {
        self.0.fetch_max(now.0, Ordering::Relaxed);
    }

    fn get(&self) -> Moment {
        Moment(self.0.load(Ordering::Relaxed))
    }
}

/// Sessions by client: at most `max`, each until it has been idle for some time.
///
/// `queue` holds each session once, by a moment at which it was used; the last use may be
/// later. So a use costs nothing here, and a session that comes to the front of the queue is
/// put back by its last use if that is later than its place says.
#[derive(Debug)]
pub(crate) struct Sessions<K, S> {
    max: usize,
    idle: Duration,
    by_client: HashMap<K, Entry<S>>,
    queue: BTreeMap<(Moment, u64), K>,
    serial: u64,
}

#[derive(Debug)]
struct Entry<S> {
    session: S,
    last_use: Arc<LastUse>,
    place: (Moment, u64),
}

impl<K: Hash + Eq + Clone, S> Sessions<K, S> {
    /// An empty table for up to `max` sessions (at least one).
    pub(crate) fn new(max: usize, idle: Duration) -> Sessions<K, S> {
        Sessions {
            max: max.max(1),
            idle,
            by_client: HashMap::new(),
            queue: BTreeMap::new(),
            serial: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_client.len()
    }

    /// The session of a client, and notes that it is used. One that has been idle for too long
    /// is as good as gone, though it may still be counted.
    pub(crate) fn using(&mut self, client: &K, now: Moment) -> Option<&mut S> {
        let entry = self.by_client.get_mut(client)?;
        if entry.last_use.get().after(self.idle) <= now {
            return None;
        }
        entry.last_use.note(now);
        Some(&mut entry.session)
    }

    /// The session of a client, without using it.
    pub(crate) fn peek(&self, client: &K) -> Option<&S> {
        Some(&self.by_client.get(client)?.session)
    }

    /// Adds a session in place of the one the client had. In a full table it also takes the
    /// place of the session that has been idle for longest.
    pub(crate) fn insert(&mut self, client: K, session: S, last_use: Arc<LastUse>) {
        self.remove(&client);
        while self.by_client.len() >= self.max && self.remove_idlest().is_some() {}
        self.serial += 1;
        let place = (last_use.get(), self.serial);
        self.queue.insert(place, client.clone());
        self.by_client.insert(
            client,
            Entry {
                session,
                last_use,
                place,
            },
        );
    }

    /// Removes the session of a client.
    pub(crate) fn remove(&mut self, client: &K) -> Option<S> {
        let entry = self.by_client.remove(client)?;
        self.queue.remove(&entry.place);
        Some(entry.session)
    }

    /// Removes the session that has been idle for longest.
    pub(crate) fn remove_idlest(&mut self) -> Option<S> {
        let (_, client) = self.idlest()?;
        self.remove(&client)
    }

    /// Removes all sessions that have been idle for too long.
    pub(crate) fn expire(&mut self, now: Moment) {
        while let Some((last_use, client)) = self.idlest() {
            if last_use.after(self.idle) > now {
                break;
            }
            self.remove(&client);
        }
    }

    /// Removes the sessions that `keep` does not want.
    pub(crate) fn retain(&mut self, keep: impl Fn(&S) -> bool) {
        self.by_client.retain(|_, entry| {
            let stays = keep(&entry.session);
            if !stays {
                self.queue.remove(&entry.place);
            }
            stays
        });
    }

    fn idlest(&mut self) -> Option<(Moment, K)> {
        loop {
            let (place, client) = self.queue.pop_first()?;
            let Some(entry) = self.by_client.get_mut(&client) else {
                continue;
            };
            let last_use = entry.last_use.get();
            entry.place = (last_use, place.1);
            self.queue.insert(entry.place, client.clone());
            if last_use == place.0 {
                return Some((last_use, client));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IDLE: Duration = Duration::from_millis(100);

    fn insert(sessions: &mut Sessions<u8, u8>, client: u8, now: u64) -> Arc<LastUse> {
        let last_use = LastUse::new(Moment(now));
        sessions.insert(client, client, Arc::clone(&last_use));
        last_use
    }

    #[test]
    fn a_session_lasts_as_long_as_either_side_uses_it() {
        let mut sessions = Sessions::new(10, IDLE);
        let answers = insert(&mut sessions, 1, 0);
        assert_eq!(sessions.using(&1, Moment(99)), Some(&mut 1));
        answers.note(Moment(150));
        sessions.expire(Moment(249));
        assert_eq!(sessions.len(), 1);
        assert_eq!(sessions.using(&1, Moment(250)), None);
        sessions.expire(Moment(250));
        assert_eq!(sessions.len(), 0);
    }

    #[test]
    fn a_full_table_forgets_the_one_idle_for_longest() {
        let mut sessions = Sessions::new(2, IDLE);
        let first = insert(&mut sessions, 1, 0);
        insert(&mut sessions, 2, 1);
        first.note(Moment(2));
        insert(&mut sessions, 3, 3);
        assert_eq!(sessions.peek(&1), Some(&1));
        assert_eq!(sessions.peek(&2), None);
        assert_eq!(sessions.peek(&3), Some(&3));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Send(u8),
        Answer(u8),
        Wait(u64),
        Expire,
        Drop(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0u8..8).prop_map(Step::Send),
            3 => (0u8..8).prop_map(Step::Answer),
            3 => (1u64..60).prop_map(Step::Wait),
            2 => Just(Step::Expire),
            1 => (0u8..8).prop_map(Step::Drop),
        ]
    }

    proptest! {
        // Against a plain list of (client, last use) in which every use is noted at once.
        #[test]
        fn it_agrees_with_a_plain_list(steps in prop::collection::vec(step(), 0..80)) {
            const MAX: usize = 4;
            let mut sessions = Sessions::new(MAX, IDLE);
            let mut uses: HashMap<u8, Arc<LastUse>> = HashMap::new();
            let mut list: Vec<(u8, u64)> = Vec::new();
            // Every step takes time, so that no two uses are of the same moment.
            let mut now = 0;
            for step in steps {
                now += 1;
                match step {
                    Step::Wait(span) => now += span,
                    Step::Send(client) => {
                        let alive = list.iter().any(|(c, at)| *c == client && now < at + 100);
                        let found = sessions.using(&client, Moment(now)).is_some();
                        prop_assert_eq!(found, alive);
                        list.retain(|(c, _)| *c != client);
                        if !alive {
                            if list.len() == MAX {
                                let oldest = list.iter().min_by_key(|(_, at)| *at).map(|e| e.0);
                                list.retain(|(c, _)| Some(*c) != oldest);
                            }
                            uses.insert(client, insert(&mut sessions, client, now));
                        }
                        list.push((client, now));
                    }
                    Step::Answer(client) => {
                        if let Some(entry) = list.iter_mut().find(|(c, _)| *c == client) {
                            entry.1 = now;
                            uses[&client].note(Moment(now));
                        }
                    }
                    Step::Expire => {
                        sessions.expire(Moment(now));
                        list.retain(|(_, at)| now < at + 100);
                    }
                    Step::Drop(client) => {
                        sessions.retain(|session| *session != client);
                        list.retain(|(c, _)| *c != client);
                    }
                }
                prop_assert_eq!(sessions.len(), list.len());
                prop_assert_eq!(sessions.queue.len(), list.len());
                prop_assert!(list.iter().all(|(c, _)| sessions.peek(c).is_some()));
            }
        }
    }
}
