// SPDX-License-Identifier: Apache-2.0
//! What must be true of every state, and of every step from one to the next.
//!
//! Nothing here is needed to run a swarm. Tests and simulations call [`invariants`] and
//! [`step()`] after every change they make, so that a rule that is broken is found where it
//! happens and not where it hurts.

mod index;
mod load;
mod place;
mod rollout;
mod step;
mod task;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::state::State;

pub use rollout::replacements;
pub use step::step;

/// A rule that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The rule, in a few words.
    pub rule: &'static str,
    /// Where it is broken.
    pub message: String,
}

impl Violation {
    fn new(rule: &'static str, message: impl fmt::Display) -> Violation {
        Violation {
            rule,
            message: message.to_string(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.message)
    }
}

/// Every rule about one state that does not hold.
#[must_use]
pub fn invariants(state: &State) -> Vec<Violation> {
    let mut found = Vec::new();
    task::check(state, &mut found);
    place::check(state, &mut found);
    load::check(state, &mut found);
    index::check(state, &mut found);
    found
}
