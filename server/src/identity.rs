// SPDX-License-Identifier: Apache-2.0
//! Who this daemon is in its swarm: written down before the swarm is founded, so that what a
//! daemon that dies in between left behind is known for what it is.

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use skep_core::model::{NodeId, SwarmId};

const FILE: &str = "identity.json";

/// The ids of the swarm and of the nodes that this daemon is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    /// The swarm.
    pub swarm: SwarmId,
    /// The nodes: one, but in a swarm for trying out.
    pub nodes: Vec<NodeIdentity>,
}

/// One node that this daemon is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NodeIdentity {
    /// Its id.
    pub id: NodeId,
    /// Its name when it came into the swarm.
    pub name: String,
    /// Its address; none: all of the machine's.
    pub address: Option<IpAddr>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    swarm: String,
    nodes: Vec<WrittenNode>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenNode {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    address: Option<IpAddr>,
}

impl NodeIdentity {
    /// The address, as the daemon shows it; empty: all of the machine's.
    #[must_use]
    pub(crate) fn address_text(&self) -> String {
        self.address
            .map(|address| address.to_string())
            .unwrap_or_default()
    }
}

impl Identity {
    /// Reads what was written down; nothing: the daemon is in no swarm.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn load(data: &Path) -> Result<Option<Identity>> {
        let file = file(data);
        let text = match std::fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("cannot read {}", file.display()))?,
        };
        let identity = parse(&text).with_context(|| {
            format!(
                "{} is damaged. Put it back from a backup; without one, move the data directory \
                 away and begin anew",
                file.display()
            )
        })?;
        Ok(Some(identity))
    }

    /// Writes it down, durably, whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn save(&self, data: &Path) -> Result<()> {
        let written = Written {
            swarm: self.swarm.to_string(),
            nodes: self.nodes.iter().map(written).collect(),
        };
        let text = serde_json::to_string_pretty(&written)?;
        let place = file(data);
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(data)?;
            writeln!(file, "{text}")?;
            file.as_file().sync_all()?;
            file.persist(&place)?;
            std::fs::File::open(data)?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", place.display()))
    }

    /// Forgets it: the daemon has left its swarm.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub(crate) fn forget(data: &Path) -> Result<()> {
        let file = file(data);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.with_context(|| format!("cannot remove {}", file.display())),
        }
    }
}

fn file(data: &Path) -> PathBuf {
    data.join(FILE)
}

fn written(node: &NodeIdentity) -> WrittenNode {
    WrittenNode {
        id: node.id.to_string(),
        name: node.name.clone(),
        address: node.address,
    }
}

fn parse(text: &str) -> Result<Identity> {
    let written: Written = serde_json::from_str(text)?;
    let node = |node: WrittenNode| -> Result<NodeIdentity> {
        Ok(NodeIdentity {
            id: node.id.parse()?,
            name: node.name,
            address: node.address,
        })
    };
    Ok(Identity {
        swarm: written.swarm.parse()?,
        nodes: written.nodes.into_iter().map(node).collect::<Result<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(Identity::load(dir.path()).expect("nothing is wrong"), None);
        let node = |id, address| NodeIdentity {
            id: NodeId(id),
            name: format!("n{id}"),
            address,
        };
        let identity = Identity {
            swarm: SwarmId(7),
            nodes: vec![node(1, Some([127, 0, 0, 1].into())), node(2, None)],
        };
        identity.save(dir.path()).expect("it is written");
        assert_eq!(
            Identity::load(dir.path()).expect("it is read"),
            Some(identity)
        );
        Identity::forget(dir.path()).expect("it is removed");
        assert_eq!(Identity::load(dir.path()).expect("nothing is wrong"), None);
    }

    #[test]
    fn damage_is_said_with_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join(FILE), "{").expect("it is written");
        let error = Identity::load(dir.path())
            .expect_err("it is damaged")
            .to_string();
        assert!(error.contains("identity.json is damaged"), "{error}");
    }
}
