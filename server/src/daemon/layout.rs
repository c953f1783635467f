// SPDX-License-Identifier: Apache-2.0
//! Which nodes a daemon is when it founds a swarm.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result, bail};
use skep_core::model::{Name, NodeId, SwarmId};

use crate::config::Config;
use crate::identity::{Identity, NodeIdentity};

/// The nodes that a daemon is when it founds a swarm: one, but with --dev and --nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    /// Their addresses; none: all of the machine's.
    addresses: Vec<Option<IpAddr>>,
    /// The name of the first; none: the host name.
    name: Option<Name>,
    dev: bool,
}

impl Layout {
    /// By these settings.
    ///
    /// # Errors
    /// If the name is none, or there are not so many addresses.
    pub(crate) fn of(config: &Config) -> Result<Layout> {
        let name = config.node_name.as_deref().map(Name::parse).transpose();
        let name = name.context("--node-name is not a name")?;
        let localhost = config.dev.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let first = config.node_addr.or(localhost);
        let addresses = match first {
            None => vec![None],
            Some(first) => (0..config.nodes)
                .map(|number| following(first, number).map(Some))
                .collect::<Result<_>>()?,
        };
        Ok(Layout {
            addresses,
            name,
            dev: config.dev,
        })
    }

    /// Ids, names and addresses for a swarm that is to be founded. `asked` is the name that the
    /// founder asks for.
    #[must_use]
    pub(crate) fn new_identity(&self, asked: Option<&Name>) -> Identity {
        let first = asked.or(self.name.as_ref()).map(Name::to_string);
        let name = |number: usize| match (&first, self.dev) {
            (Some(first), _) if number == 0 => first.clone(),
            (Some(first), _) => format!("{first}-{}", number + 1),
            (None, true) => format!("node-{}", number + 1),
            (None, false) => String::new(),
        };
        let node = |(number, address): (usize, &Option<IpAddr>)| NodeIdentity {
            id: NodeId(rand::random()),
            name: name(number),
            address: *address,
        };
        Identity {
            swarm: SwarmId(rand::random()),
            nodes: self.addresses.iter().enumerate().map(node).collect(),
        }
    }
}

fn following(first: IpAddr, number: u32) -> Result<IpAddr> {
    let next = match first {
        IpAddr::V4(first) => u32::from(first)
            .checked_add(number)
            .map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
        IpAddr::V6(first) => {
            let next = u128::from(first).checked_add(number.into());
            next.map(|bits| IpAddr::V6(bits.into()))
        }
    };
    match next {
        Some(next) => Ok(next),
        None => bail!("--node-addr {first} has not so many addresses after it"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn layout(arguments: &[&str]) -> Layout {
        let all = std::iter::once(&"skepd").chain(arguments);
        Layout::of(&Config::try_parse_from(all).expect("good flags")).expect("a layout")
    }

    fn names_and_addresses(layout: &Layout, asked: Option<&Name>) -> Vec<(String, String)> {
        let nodes = layout.new_identity(asked).nodes.into_iter();
        nodes
            .map(|node| (node.name.clone(), node.address_text()))
            .collect()
    }

    #[test]
    fn dev_nodes_take_the_addresses_that_follow() {
        let layout = layout(&["--dev", "--nodes", "3", "--node-addr", "127.3.2.255"]);
        let found = names_and_addresses(&layout, None);
        let pairs = [
            ("node-1", "127.3.2.255"),
            ("node-2", "127.3.3.0"),
            ("node-3", "127.3.3.1"),
        ];
        assert_eq!(
            found,
            pairs.map(|(name, address)| (name.to_owned(), address.to_owned()))
        );
    }

    #[test]
    fn a_plain_daemon_is_one_node_on_all_addresses() {
        let found = names_and_addresses(&layout(&[]), None);
        assert_eq!(found, [(String::new(), String::new())]);
        let asked = Name::parse("ada").expect("a name");
        let found = names_and_addresses(&layout(&["--node-name", "x"]), Some(&asked));
        assert_eq!(found[0].0, "ada");
    }
}
