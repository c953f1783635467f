// SPDX-License-Identifier: Apache-2.0
//! What a task needs of the ports that its service publishes.

use std::collections::BTreeMap;

use skep_core::model::{Port, PortMode, Protocol};

use super::PortError;

/// What one target port of a task needs.
pub(super) struct Need {
    pub(super) target: u16,
    /// Each that the target is published with.
    pub(super) protocols: Vec<Protocol>,
    /// The number it must have.
    pub(super) fixed: Option<u16>,
}

/// What each target of `ports` needs, in order of first mention.
///
/// # Errors
/// If a target would need two numbers.
pub(super) fn needs(ports: &[Port]) -> Result<Vec<Need>, PortError> {
    let mut needs: Vec<Need> = Vec::new();
    for port in ports {
        let place = needs.iter().position(|need| need.target == port.target);
        let place = place.unwrap_or_else(|| {
            needs.push(Need {
                target: port.target,
                protocols: vec![],
                fixed: None,
            });
            needs.len() - 1
        });
        let need = &mut needs[place];
        if !need.protocols.contains(&port.protocol) {
            need.protocols.push(port.protocol);
        }
        if port.mode == PortMode::Host && port.published != 0 {
            match need.fixed {
                Some(first) if first != port.published => {
                    let (target, second) = (port.target, port.published);
                    return Err(PortError::Twice {
                        target,
                        first,
                        second,
                    });
                }
                _ => need.fixed = Some(port.published),
            }
        }
    }
    Ok(needs)
}

/// Each target and protocol of `ports` once, with the number chosen for the target.
pub(super) fn opened(ports: &[Port], numbers: &BTreeMap<u16, u16>) -> Vec<Port> {
    let mut opened: Vec<Port> = Vec::new();
    for port in ports {
        let known = opened
            .iter_mut()
            .find(|known| (known.target, known.protocol) == (port.target, port.protocol));
        match known {
            Some(known) if port.mode == PortMode::Host => known.mode = PortMode::Host,
            Some(_) => {}
            None => opened.push(Port {
                published: numbers[&port.target],
                ..port.clone()
            }),
        }
    }
    opened
}
