// SPDX-License-Identifier: Apache-2.0
//! What a node says of itself.

use std::sync::Arc;

use skep_core::model::NodeDescription;

use super::{Worker, traffic};
use crate::node;
use crate::session::Word;

/// The condition of a node that cannot remember what it does.
const STORAGE_FAILED: &str = "STORAGE_FAILED";

impl Worker {
    /// Says what the node is, if that changed, and by which endpoints its traffic goes.
    pub(super) fn describe(&mut self) {
        let status = self.plane_status.borrow_and_update().clone();
        self.tell(Word::BalancesBy(status.revision));
        let (now, before) = (self.clock.now(), &self.parts.description.conditions);
        let mut conditions = traffic::conditions(&status, before, now);
        if let Some(failure) = self.save.failure() {
            let text = failure.to_owned();
            conditions.push(traffic::condition(STORAGE_FAILED, text, before, now));
        }
        for trouble in self.parts.executor.troubles() {
            let (kind, text) = (trouble.kind, trouble.message);
            conditions.push(traffic::condition(kind, text, before, now));
        }
        let capabilities = node::capabilities(self.parts.executor.as_ref());
        let described = NodeDescription {
            conditions,
            capabilities,
            ports_in_use: traffic::ports_in_use(&status),
            ..NodeDescription::clone(&self.parts.description)
        };
        if described != *self.parts.description {
            self.parts.description = Arc::new(described);
            self.tell(Word::Describe(self.parts.description.clone()));
        }
    }
}
