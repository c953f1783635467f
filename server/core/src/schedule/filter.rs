// SPDX-License-Identifier: Apache-2.0
//! Whether a node meets the requirements of a placement.

use std::net::IpAddr;

use crate::model::{Node, NodeKey, Requirement};

/// Whether the node meets all requirements.
#[must_use]
pub fn requirements_hold(requirements: &[Requirement<NodeKey>], node: &Node) -> bool {
    first_unmet(requirements, node).is_none()
}

/// The place of the first requirement that the node does not meet.
#[must_use]
pub fn first_unmet(requirements: &[Requirement<NodeKey>], node: &Node) -> Option<usize> {
    requirements
        .iter()
        .position(|requirement| !requirement_holds(&requirement.key, requirement, node))
}

/// Whether a node's attribute `key` meets a requirement.
pub fn requirement_holds<K>(key: &NodeKey, requirement: &Requirement<K>, node: &Node) -> bool {
    let description = &node.status.description;
    match key {
        NodeKey::Id => requirement.holds(Some(&node.meta.id.to_string())),
        NodeKey::Name => requirement.holds(Some(node.spec.name.as_str())),
        NodeKey::Hostname => requirement.holds(Some(&description.hostname)),
        NodeKey::Ip => requirement.holds_by(Some(&description.address.to_string()), in_range),
        NodeKey::Role => requirement.holds(Some(node.status.role.as_str())),
        NodeKey::Os => requirement.holds(Some(&description.platform.os)),
        NodeKey::Arch => requirement.holds(Some(&description.platform.architecture)),
        NodeKey::Label(label) => requirement.holds(node.spec.labels.get(label).map(String::as_str)),
    }
}

/// An address, or a range of them such as "10.0.0.0/8": the bits and how many of them count.
#[must_use]
pub fn parse_range(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(length) => length.parse().ok().filter(|length| *length <= most)?,
        None => most,
    };
    Some((address, length))
}

fn in_range(address: &str, range: &str) -> bool {
    let (Ok(address), Some((start, length))) = (address.parse::<IpAddr>(), parse_range(range))
    else {
        return false;
    };
    match (address, start) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (u32::from(a) ^ u32::from(b))
                .checked_shr(32 - u32::from(length))
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (u128::from(a) ^ u128::from(b))
                .checked_shr(128 - u32::from(length))
                .unwrap_or(0)
                == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_addresses() {
        for (address, range, want) in [
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.4", "10.1.2.3", false),
            ("10.1.2.4", "0.0.0.0/0", true),
            ("fd00::1", "fd00::/8", true),
            ("fd00::1", "10.0.0.0/8", false),
            ("fd00::1", "::/0", true),
        ] {
            assert_eq!(in_range(address, range), want, "{address} in {range}");
        }
        assert_eq!(parse_range("10.0.0.0/33"), None);
        assert_eq!(parse_range("ten"), None);
    }
}
