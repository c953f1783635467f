// SPDX-License-Identifier: Apache-2.0
//! Why something may not be.

use std::fmt;

use crate::model::{Name, NodeState, ObjectId, Protocol, Revision, RolloutState};

use super::INGRESS_POOL;

/// A kind of object, in the word that errors use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// The swarm.
    Swarm,
    /// A node.
    Node,
    /// A service.
    Service,
    /// A task.
    Task,
}

impl Kind {
    /// "swarm", "node", "service" or "task".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Swarm => "swarm",
            Kind::Node => "node",
            Kind::Service => "service",
            Kind::Task => "task",
        }
    }

    /// Of this object.
    #[must_use]
    pub const fn of(object: ObjectId) -> Kind {
        match object {
            ObjectId::Swarm(_) => Kind::Swarm,
            ObjectId::Node(_) => Kind::Node,
            ObjectId::Service(_) => Kind::Service,
            ObjectId::Task(_) => Kind::Task,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request is refused. Its text is for people and says what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// There is no such object.
    NotFound {
        /// Of this kind.
        kind: Kind,
        /// What the request called it.
        name: String,
    },
    /// The beginning of an id fits several objects.
    Ambiguous {
        /// Of this kind.
        kind: Kind,
        /// What the request called it.
        name: String,
        /// The first objects that it fits.
        candidates: Vec<ObjectId>,
        /// How many it fits.
        count: usize,
    },
    /// Another object of the kind has the name.
    NameTaken {
        /// The name.
        name: Name,
        /// Which has it.
        id: ObjectId,
        /// It is being deleted, so the name will be free.
        deleting: bool,
    },
    /// Another service publishes the port.
    PortTaken {
        /// The number.
        port: u16,
        /// For this protocol.
        protocol: Protocol,
        /// By this service.
        service: Name,
    },
    /// The spec has changed since the revision that the request names.
    SpecRevisionMismatch {
        /// The spec's revision now.
        present: Revision,
    },
    /// The request_id was used for another request.
    RequestIdReused,
    /// The object is being deleted.
    Deleting {
        /// Of this kind.
        kind: Kind,
        /// Its name.
        name: Name,
    },
    /// The node may come back, or is there.
    NodeNotDown {
        /// Its name.
        name: Name,
        /// The state it is in.
        state: NodeState,
    },
    /// The node is a manager.
    NodeIsManager {
        /// Its name.
        name: Name,
    },
    /// A field of the request cannot be so for this object.
    Field {
        /// Its path in the request.
        field: String,
        /// What is wrong and what would be right.
        description: String,
    },
    /// No ingress port is left to choose.
    PortPoolExhausted {
        /// For this protocol.
        protocol: Protocol,
    },
    /// The rollout is in no state for that.
    RolloutState {
        /// Name of the service.
        name: Name,
        /// The state it is in; none: it was never updated.
        state: Option<RolloutState>,
        /// It was to be paused; else, to be resumed.
        pause: bool,
    },
    /// There is no such revision to go back to.
    NoEarlierRevision {
        /// Name of the service.
        name: Name,
        /// The one asked for; none: any earlier one.
        asked: Option<Revision>,
        /// Those that are kept, less the present one.
        kept: Vec<Revision>,
    },
    /// There is a swarm already.
    SwarmExists,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Rejection::NotFound { kind, name } => format!("there is no {kind} \"{name}\""),
            Rejection::Ambiguous {
                kind, name, count, ..
            } => format!("\"{name}\" begins {count} {kind} ids; give more characters"),
            Rejection::NameTaken { name, id, deleting } => name_taken(name, *id, *deleting),
            Rejection::PortTaken {
                port,
                protocol,
                service,
            } => port_taken(*port, *protocol, service),
            Rejection::SpecRevisionMismatch { present } => {
                let cure = "read it again and repeat the change";
                format!("if_spec_revision: revision {present} changed the spec; {cure}")
            }
            Rejection::RequestIdReused => {
                "this request_id was another request's; use a new one for each".to_owned()
            }
            Rejection::Deleting { kind, name } => {
                format!("{kind} \"{name}\" is being deleted; wait until it is gone")
            }
            Rejection::NodeNotDown { name, state } => not_down(name, *state),
            Rejection::NodeIsManager { name } => {
                format!("node \"{name}\" is a manager, keeps the state and cannot be deleted")
            }
            Rejection::Field { field, description } => format!("{field}: {description}"),
            Rejection::PortPoolExhausted { protocol } => pool_exhausted(*protocol),
            Rejection::RolloutState { name, state, pause } => rollout_state(name, *state, *pause),
            Rejection::NoEarlierRevision { name, asked, kept } => no_revision(name, *asked, kept),
            Rejection::SwarmExists => "this daemon keeps a swarm already".to_owned(),
        })
    }
}

impl std::error::Error for Rejection {}

fn name_taken(name: &Name, id: ObjectId, deleting: bool) -> String {
    let kind = Kind::of(id);
    let cure = match deleting {
        true => "; it is being deleted: wait until it is gone",
        false => "; take another name, or update that one",
    };
    format!("there is a {kind} \"{name}\" already{cure}")
}

fn port_taken(port: u16, protocol: Protocol, service: &Name) -> String {
    let protocol = protocol.as_str();
    format!(
        "port {port}/{protocol} is published by service \"{service}\"; take another, or none to \
         have one chosen"
    )
}

fn pool_exhausted(protocol: Protocol) -> String {
    let (protocol, first, last) = (protocol.as_str(), INGRESS_POOL.start(), INGRESS_POOL.end());
    format!("all {protocol} ports from {first} to {last} are published; give another number")
}

fn rollout_state(name: &Name, state: Option<RolloutState>, pause: bool) -> String {
    let stands = match state {
        None => "has had no rollout".to_owned(),
        Some(state) => format!("has a rollout that is {}", state.as_str()),
    };
    let rule = match pause {
        true => "only one that is going on can be paused",
        false => "only one that is paused can be resumed",
    };
    format!("service \"{name}\" {stands}; {rule}")
}

fn no_revision(name: &Name, asked: Option<Revision>, kept: &[Revision]) -> String {
    let kept: Vec<String> = kept.iter().map(Revision::to_string).collect();
    match (asked, kept.is_empty()) {
        (_, true) => format!("service \"{name}\" has no other revision to go back to"),
        (Some(asked), false) => format!(
            "service \"{name}\" cannot go back to revision {asked}; it can to {}",
            kept.join(", ")
        ),
        (None, false) => format!(
            "service \"{name}\" has no revision before the present one; name one of {}",
            kept.join(", ")
        ),
    }
}

fn not_down(name: &Name, state: NodeState) -> String {
    let state = match state {
        NodeState::Ready => "ready",
        NodeState::Down => "down",
        NodeState::Unknown => "given time to come back",
    };
    format!("node \"{name}\" is {state}, not down; stop its daemon or use force")
}
