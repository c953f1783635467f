// SPDX-License-Identifier: Apache-2.0
//! The ports that tasks of a node listen on.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use skep_core::model::{Port, Protocol, TaskId};

use crate::probe;

mod need;

use need::{Need, needs, opened};

/// The ports that backends are chosen from. They are below those the kernel takes for outgoing
/// connections and those that managers publish by themselves.
pub const BACKEND_PORTS: RangeInclusive<u16> = 20_000..=29_999;

/// Hands out the ports that the tasks of one node listen on, at the node's address.
///
/// A program gets one number for each target port: the one it must listen on in place of the
/// target, for every protocol that the target is published with. A container listens on its
/// targets, so each may have several numbers of the node. A number that was given back
/// is not given out again before all others had their turn, so that a node whose table is a
/// little old does not reach another task than it means to.
#[derive(Debug)]
pub struct BackendPorts {
    address: IpAddr,
    next: u16,
    held: BTreeMap<(u16, Protocol), TaskId>,
}

/// How what arrives at a port of the node reaches the task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// The task is a program of the node, and listens there itself: on one number for each target.
    Direct,
    /// The task is a container: the engine forwards from any number of the node's ports.
    Forwarded,
}

/// Why a task cannot have the ports it needs.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// A port published in host mode is not free.
    #[error(
        "host port {at}/{} is already held by {}; stop that or publish another port",
        protocol.as_str(), holder(*by)
    )]
    Taken {
        /// The node's address and the port.
        at: SocketAddr,
        /// Its protocol.
        protocol: Protocol,
        /// The task of this node that has it; none: another program has it.
        by: Option<TaskId>,
    },
    /// One target of a program is published on two host ports, and it can only listen on one.
    #[error(
        "target port {target} is published in host mode on {first} and on {second}, but a \
         process listens on one port; publish it once"
    )]
    Twice {
        /// The target port.
        target: u16,
        /// One host port.
        first: u16,
        /// The other.
        second: u16,
    },
    /// No number is left.
    #[error(
        "no port from {} to {} is free on {address} for target port {target}; end tasks or \
         other programs on this node", BACKEND_PORTS.start(), BACKEND_PORTS.end()
    )]
    NoneFree {
        /// The node's address.
        address: IpAddr,
        /// The target port.
        target: u16,
    },
    /// It could not be found out whether a port is free.
    #[error("cannot open {at}/{} for a task", protocol.as_str())]
    Probe {
        /// The node's address and the port.
        at: SocketAddr,
        /// Its protocol.
        protocol: Protocol,
        /// What the operating system said: the address is not this machine's, a port below
        /// 1024 needs a privilege, no file descriptor is left.
        #[source]
        cause: io::Error,
    },
}

fn holder(task: Option<TaskId>) -> String {
    task.map_or_else(
        || "another program".to_owned(),
        |task| format!("task {task}"),
    )
}

impl BackendPorts {
    /// Nothing handed out yet at the node's `address`. The `seed` says where to begin: nodes
    /// on one machine that begin at different places hardly get in each other's way.
    #[must_use]
    pub fn new(address: IpAddr, seed: u64) -> BackendPorts {
        let count = u64::from(BACKEND_PORTS.end() - BACKEND_PORTS.start()) + 1;
        let offset = u16::try_from(seed % count).unwrap_or(0);
        BackendPorts {
            address,
            next: BACKEND_PORTS.start() + offset,
            held: BTreeMap::new(),
        }
    }

    /// Chooses the ports of a task from those its service publishes. What it held is given
    /// back first.
    ///
    /// The answer is in the order of `ports`, each once that is open; `published` is where the
    /// task must listen, or be reached if it is a container. For a port of mode host with a number that number is checked
    /// to be free; all others are chosen.
    ///
    /// # Errors
    /// If a port cannot be had; the task then holds none.
    pub fn allocate(
        &mut self,
        task: TaskId,
        ports: &[Port],
        reach: Reach,
    ) -> Result<Vec<Port>, PortError> {
        self.release(task);
        let wanted = needs(ports, reach)?;
        let chosen = self.choose(wanted, &probe::is_free_at, &probe::is_free_everywhere)?;
        let chosen = opened(ports, &chosen);
        self.adopt(task, &chosen);
        Ok(chosen)
    }

    /// Notes the ports of a task that is running already.
    pub fn adopt(&mut self, task: TaskId, ports: &[Port]) {
        for port in ports {
            self.held.insert((port.published, port.protocol), task);
        }
    }

    /// Gives back the ports of a task.
    pub fn release(&mut self, task: TaskId) {
        self.held.retain(|_, holder| *holder != task);
    }

    fn choose(
        &mut self,
        needs: Vec<Need>,
        is_free_at: &Probe<'_>,
        is_free_everywhere: &Probe<'_>,
    ) -> Result<Vec<(Need, u16)>, PortError> {
        let mut chosen = Vec::new();
        let mut taken = Taken::new();
        for need in needs {
            let number = match need.fixed {
                Some(number) => {
                    self.check_fixed(number, &need, &taken, is_free_at)?;
                    number
                }
                None => self.choose_free(&need, &taken, is_free_everywhere)?,
            };
            let protocols = need.protocols.iter();
            taken.extend(protocols.map(|protocol| (number, *protocol)));
            chosen.push((need, number));
        }
        Ok(chosen)
    }

    fn check_fixed(
        &self,
        number: u16,
        need: &Need,
        taken: &Taken,
        is_free: &Probe<'_>,
    ) -> Result<(), PortError> {
        let at = SocketAddr::new(self.address, number);
        for protocol in need.protocols.iter().copied() {
            let by = self.held.get(&(number, protocol)).copied();
            let free =
                is_free(self.address, number, protocol).map_err(|cause| PortError::Probe {
                    at,
                    protocol,
                    cause,
                })?;
            if by.is_some() || !free || taken.contains(&(number, protocol)) {
                return Err(PortError::Taken { at, protocol, by });
            }
        }
        Ok(())
    }

    fn choose_free(
        &mut self,
        need: &Need,
        taken: &Taken,
        is_free: &Probe<'_>,
    ) -> Result<u16, PortError> {
        for _ in BACKEND_PORTS {
            let number = self.next;
            self.next = if number == *BACKEND_PORTS.end() {
                *BACKEND_PORTS.start()
            } else {
                number + 1
            };
            if self.suits(number, need, taken, is_free)? {
                return Ok(number);
            }
        }
        Err(PortError::NoneFree {
            address: self.address,
            target: need.target,
        })
    }

    fn suits(
        &self,
        number: u16,
        need: &Need,
        taken: &Taken,
        is_free: &Probe<'_>,
    ) -> Result<bool, PortError> {
        for protocol in need.protocols.iter().copied() {
            let key = (number, protocol);
            if self.held.contains_key(&key) || taken.contains(&key) {
                return Ok(false);
            }
            let at = SocketAddr::new(self.address, number);
            let free =
                is_free(self.address, number, protocol).map_err(|cause| PortError::Probe {
                    at,
                    protocol,
                    cause,
                })?;
            if !free {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

type Probe<'a> = dyn Fn(IpAddr, u16, Protocol) -> io::Result<bool> + 'a;

/// What earlier needs of the same task took.
type Taken = BTreeSet<(u16, Protocol)>;

#[cfg(test)]
mod tests;
