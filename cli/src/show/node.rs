// SPDX-License-Identifier: Apache-2.0
//! Nodes in a table.

use skep_sdk::Identified;
use skep_sdk::v1::Node;

use crate::output::listing::{Column, Listing, Row, hidden, shown};
use crate::output::words;

/// Nodes are called by name here: several of one machine (`skepd --dev --nodes 3`) share its
/// host name.
const COLUMNS: [Column; 10] = [
    shown("ID", "ID"),
    shown("Name", "NAME"),
    shown("Status", "STATUS"),
    shown("Availability", "AVAILABILITY"),
    shown("ManagerStatus", "MANAGER STATUS"),
    shown("Version", "VERSION"),
    hidden("Self", "SELF"),
    hidden("Hostname", "HOSTNAME"),
    hidden("Address", "ADDRESS"),
    hidden("Role", "ROLE"),
];

/// Nodes by name; the one of id `own` is marked.
pub(crate) fn listing(mut nodes: Vec<Node>, own: &str) -> Listing<Node> {
    nodes.sort_by_cached_key(|node| {
        let name = node
            .spec
            .as_ref()
            .map_or_else(String::new, |spec| spec.name.clone());
        (name, node.id().to_owned())
    });
    let rows = nodes.into_iter().map(|node| row(node, own)).collect();
    Listing {
        columns: &COLUMNS,
        rows,
        min_width: 10,
    }
}

fn row(object: Node, own: &str) -> Row<Node> {
    let spec = object.spec.clone().unwrap_or_default();
    let status = object.status.clone().unwrap_or_default();
    let is_own = object.id() == own;
    let cells = vec![
        format!("{}{}", object.id(), if is_own { " *" } else { "" }),
        spec.name.clone(),
        words::node_state(status.state()).to_owned(),
        words::availability(spec.availability()).to_owned(),
        words::manager_status(status.manager.as_ref()).to_owned(),
        status.version.clone(),
        is_own.to_string(),
        status.hostname.clone(),
        status.address.clone(),
        words::role(status.role()).to_owned(),
    ];
    Row {
        id: object.id().to_owned(),
        object,
        cells,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ListFlags;
    use crate::output::format::Format;
    use crate::sample;

    #[test]
    fn nodes_are_listed_as_docker_does() {
        let nodes = vec![sample::lost_node("node-2"), sample::node("node-1")];
        let flags = ListFlags {
            quiet: false,
            filter: vec![],
            format: Format::Table,
            no_trunc: false,
        };
        let own = sample::node("node-1").id().to_owned();
        crate::golden::check("node-ls.txt", &listing(nodes, &own).render(&flags).unwrap());
    }
}
