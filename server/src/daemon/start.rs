// SPDX-License-Identifier: Apache-2.0
//! What is found on the disk when a daemon starts or founds a swarm, and what to do about it.
//!
//! A daemon may die between any two of its steps. A founding writes the identity, then makes the
//! store, then the swarm in it, then the nodes. A leaving sets the store aside, then removes the
//! nodes, then the store, then the identity. So each half of either can be told from a swarm
//! that has lost something, which nobody but its owner may touch.

/// How far the store is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StoreFound {
    /// There is none.
    Missing,
    /// There is one, and no swarm was ever founded in it.
    Empty,
    /// It holds a swarm, or something that only opening it tells.
    There,
}

/// What is on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// Who the daemon is was written down.
    pub(super) identity: bool,
    /// The store.
    pub(super) store: StoreFound,
    /// A store was set aside, to be removed.
    pub(super) set_aside: bool,
    /// There is something of a task.
    pub(super) tasks: bool,
}

/// What to do at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// The daemon is in no swarm.
    Outside,
    /// Go on in the swarm.
    Resume,
    /// A founding or a leaving was cut off: remove what it left, and be in no swarm.
    CleanUp,
    /// Touch nothing, and say why.
    Refuse(Refusal),
}

/// Why nothing may be touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// There is a store, and nothing says whose.
    IdentityMissing,
    /// There are tasks, and the store that they belong to is gone.
    StoreMissing,
}

/// What a daemon that starts is to do.
pub(super) fn at_start(found: Found) -> Start {
    match (found.identity, found.store) {
        // It says so if it is to found a swarm; until then it may have been put there to be
        // looked at.
        (false, _) => Start::Outside,
        (true, StoreFound::There) => Start::Resume,
        (true, _) if found.set_aside => Start::CleanUp,
        (true, _) if found.tasks => Start::Refuse(Refusal::StoreMissing),
        (true, StoreFound::Missing | StoreFound::Empty) => Start::CleanUp,
    }
}

/// Whether a swarm may be founded here.
pub(super) fn at_founding(found: Found) -> Result<(), Refusal> {
    match found.store {
        StoreFound::Missing => Ok(()),
        StoreFound::Empty | StoreFound::There => Err(Refusal::IdentityMissing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Found = Found {
        identity: false,
        store: StoreFound::Missing,
        set_aside: false,
        tasks: false,
    };

    /// A member with a task.
    const MEMBER: Found = Found {
        identity: true,
        store: StoreFound::There,
        set_aside: false,
        tasks: true,
    };

    #[test]
    fn a_founding_that_is_cut_off_anywhere_leaves_a_daemon_that_can_go_on() {
        let begun = Found {
            identity: true,
            ..NOTHING
        };
        let store = |store| Found { store, ..begun };
        let course = [
            (NOTHING, Start::Outside),
            (begun, Start::CleanUp),
            (store(StoreFound::Empty), Start::CleanUp),
            (store(StoreFound::There), Start::Resume),
            (MEMBER, Start::Resume),
        ];
        for (found, start) in course {
            assert_eq!(at_start(found), start, "{found:?}");
        }
        assert_eq!(at_founding(NOTHING), Ok(()));
    }

    #[test]
    fn a_leaving_that_is_cut_off_anywhere_goes_on_with_the_next_start() {
        let aside = Found {
            store: StoreFound::Missing,
            set_aside: true,
            ..MEMBER
        };
        let no_tasks = Found {
            tasks: false,
            ..aside
        };
        let removed = Found {
            set_aside: false,
            ..no_tasks
        };
        for found in [aside, no_tasks, removed] {
            assert_eq!(at_start(found), Start::CleanUp, "{found:?}");
        }
        assert_eq!(at_start(NOTHING), Start::Outside);
    }

    #[test]
    fn a_swarm_that_lost_something_is_not_touched() {
        for store in [StoreFound::Missing, StoreFound::Empty] {
            let lost = Found { store, ..MEMBER };
            assert_eq!(at_start(lost), Start::Refuse(Refusal::StoreMissing));
        }
        let nameless = Found {
            identity: false,
            ..MEMBER
        };
        assert_eq!(at_start(nameless), Start::Outside);
        assert_eq!(at_founding(nameless), Err(Refusal::IdentityMissing));
    }
}
