// SPDX-License-Identifier: Apache-2.0
//! What a daemon keeps of its swarm on the disk: looking at it, and removing it. What that
//! means, [`super::start`] decides.

use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use skep_store::Store;
use skep_store::fs::RealFs;

use crate::identity::Identity;

use super::member::STORE_DIR;
use super::nodes::NODES_DIR;
use super::start::{Found, Refusal, StoreFound};

/// What the store is called while it is being removed: a store that is only half there must not
/// be taken for one.
const STORE_GONE_DIR: &str = "store.gone";

/// Why nothing that is found may be touched, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(String);

/// Looks at what there is. Whether a store that is there holds a swarm, only opening it tells.
pub(super) fn look(data: &Path, identity: bool) -> Found {
    let store = data.join(STORE_DIR);
    let store = if Store::is_in(&RealFs, &store) {
        StoreFound::There
    } else if store.exists() {
        StoreFound::Empty
    } else {
        StoreFound::Missing
    };
    Found {
        identity,
        store,
        set_aside: data.join(STORE_GONE_DIR).exists(),
        tasks: has_tasks(data),
    }
}

fn has_tasks(data: &Path) -> bool {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries(&data.join(NODES_DIR)).any(|node| entries(&node.path().join("tasks")).next().is_some())
}

/// The words for a refusal, with its cure.
pub(super) fn refused(data: &Path, why: Refusal) -> Refused {
    let (store, nodes) = (data.join(STORE_DIR), data.join(NODES_DIR));
    Refused(match why {
        Refusal::IdentityMissing => format!(
            "{} holds a swarm, but identity.json beside it is missing. Put that back from a \
             backup; without one, move the data directory away and begin anew",
            store.display()
        ),
        Refusal::StoreMissing => format!(
            "{} has tasks, but the store beside it is missing. Put {} back, or mount what holds \
             it; without it, end these tasks, move the data directory away and begin anew",
            nodes.display(),
            store.display()
        ),
    })
}

/// Removes everything that belongs to a swarm. The identity goes when nothing else is left that
/// needs it, so that a daemon that dies in between goes on with this at its next start.
///
/// # Errors
/// If something cannot be removed.
pub(super) fn erase(data: &Path) -> Result<()> {
    ERASING.iter().try_for_each(|step| step(data))
}

/// The steps of removing, in order; each can be done again.
const ERASING: [fn(&Path) -> Result<()>; 4] = [
    set_store_aside,
    |data| remove(&data.join(NODES_DIR)),
    |data| remove(&data.join(STORE_GONE_DIR)),
    Identity::forget,
];

fn set_store_aside(data: &Path) -> Result<()> {
    let (store, gone) = (data.join(STORE_DIR), data.join(STORE_GONE_DIR));
    if !store.exists() {
        // What was set aside stays until the nodes are removed: it says that they may be.
        return Ok(());
    }
    remove(&gone)?;
    std::fs::rename(&store, &gone).with_context(|| format!("cannot remove {}", store.display()))
}

fn remove(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.with_context(|| format!("cannot remove {}", dir.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::start::{Start, at_founding, at_start};
    use super::*;

    fn data_with(dirs: &[&str], identity: bool) -> tempfile::TempDir {
        let data = tempfile::tempdir().expect("a directory");
        for dir in dirs {
            std::fs::create_dir_all(data.path().join(dir)).expect("it is made");
        }
        if identity {
            std::fs::write(data.path().join("identity.json"), "{}").expect("it is written");
        }
        data
    }

    fn look_at(data: &Path) -> Found {
        look(data, data.join("identity.json").exists())
    }

    #[test]
    fn a_swarm_is_not_founded_over_another() {
        let data = data_with(&["store/log"], false);
        let why = at_founding(look_at(data.path())).expect_err("there is one");
        let error = refused(data.path(), why).to_string();
        assert!(
            error.contains("identity.json beside it is missing"),
            "{error}"
        );
        erase(data.path()).expect("it goes");
        assert!(at_founding(look_at(data.path())).is_ok());
        let left = std::fs::read_dir(data.path()).expect("it is there").count();
        assert_eq!(left, 0);
    }

    #[test]
    fn a_store_that_is_missed_is_not_taken_for_none() {
        let data = data_with(&["nodes/a/agent", "nodes/b/tasks"], true);
        assert_eq!(at_start(look_at(data.path())), Start::CleanUp);
        let data = data_with(&["nodes/b/tasks/one"], true);
        let Start::Refuse(why) = at_start(look_at(data.path())) else {
            panic!("a task is there");
        };
        let error = refused(data.path(), why).to_string();
        assert!(error.contains("has tasks, but the store"), "{error}");
    }

    #[test]
    fn removing_goes_on_wherever_it_was_cut_off() {
        let whole = ["store/log", "store.gone/log", "nodes/b/tasks/one"];
        for done in 1..=ERASING.len() {
            let data = data_with(&whole, true);
            for step in &ERASING[..done] {
                step(data.path()).expect("it goes");
            }
            let expected = if done == ERASING.len() {
                Start::Outside
            } else {
                Start::CleanUp
            };
            assert_eq!(at_start(look_at(data.path())), expected, "{done} steps");
            erase(data.path()).expect("it goes on");
            let left = std::fs::read_dir(data.path()).expect("it is there").count();
            assert_eq!(left, 0, "{done} steps");
        }
    }
}
