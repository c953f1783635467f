// SPDX-License-Identifier: Apache-2.0
//! What a task needs of the ports that its service publishes.

use skep_core::model::{Port, PortMode, Protocol};

use super::{PortError, Reach};

/// One number that a task needs.
pub(super) struct Need {
    pub(super) target: u16,
    /// Each that the number is needed for.
    pub(super) protocols: Vec<Protocol>,
    /// The number it must be.
    pub(super) fixed: Option<u16>,
    /// Where in the ports published those are that it answers for.
    places: Vec<usize>,
    lane: Option<u16>,
}

/// What `ports` need of the node, in order of first mention: a program one number for each
/// target, a container one for all of the mesh and one for each host port.
///
/// # Errors
/// If a program would need two numbers for one target.
pub(super) fn needs(ports: &[Port], reach: Reach) -> Result<Vec<Need>, PortError> {
    let mut needs: Vec<Need> = Vec::new();
    for (place, port) in ports.iter().enumerate() {
        let on_host = port.mode == PortMode::Host;
        let lane = (on_host && reach == Reach::Forwarded).then_some(port.published);
        let known = needs
            .iter()
            .position(|need| (need.target, need.lane) == (port.target, lane));
        let known = known.unwrap_or_else(|| {
            needs.push(Need {
                target: port.target,
                protocols: vec![],
                fixed: None,
                places: vec![],
                lane,
            });
            needs.len() - 1
        });
        let need = &mut needs[known];
        need.places.push(place);
        if !need.protocols.contains(&port.protocol) {
            need.protocols.push(port.protocol);
        }
        if on_host && port.published != 0 {
            need.fix(port.published)?;
        }
    }
    Ok(needs)
}

impl Need {
    fn fix(&mut self, number: u16) -> Result<(), PortError> {
        match self.fixed.replace(number) {
            Some(first) if first != number => Err(PortError::Twice {
                target: self.target,
                first,
                second: number,
            }),
            _ => Ok(()),
        }
    }
}

/// What is open for `ports`, each once, in their order, with the numbers chosen for the needs.
pub(super) fn opened(ports: &[Port], chosen: &[(Need, u16)]) -> Vec<Port> {
    let mut opened: Vec<Port> = Vec::new();
    for (place, port) in ports.iter().enumerate() {
        let Some((_, number)) = chosen.iter().find(|(need, _)| need.places.contains(&place)) else {
            continue;
        };
        let key = |port: &Port| (port.target, port.protocol, port.mode, port.published);
        let open = Port {
            published: *number,
            ..port.clone()
        };
        if opened.iter().all(|known| key(known) != key(&open)) {
            opened.push(open);
        }
    }
    opened
}
