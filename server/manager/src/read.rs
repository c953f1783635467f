// SPDX-License-Identifier: Apache-2.0
//! Reading a state that is as fresh as the caller wants.

use skep_core::model::Revision;
use skep_core::state::State;
use skep_proto::v1;
use skep_proto::v1::consistency::Level as Message;
use skep_wire::parse::Fields;
use tokio::time::timeout_at;

use crate::call::{self, Call};
use crate::error::Failure;
use crate::member::Manager;

/// How fresh a read must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Freshness {
    /// It sees every change acknowledged before it began.
    Linearizable,
    /// It sees this revision.
    AtLeast(Revision),
    /// Whatever this manager has.
    Local,
}

/// How fresh a request wants its answer.
pub(crate) fn freshness(fields: &mut Fields, message: Option<v1::Consistency>) -> Freshness {
    let Some(message) = message else {
        return Freshness::Linearizable;
    };
    fields.at("consistency", |fields| match message.level {
        Some(Message::AtLeast(revision)) => {
            Freshness::AtLeast(call::revision(fields, "at_least", revision))
        }
        Some(Message::Local(true)) => Freshness::Local,
        Some(Message::Local(false)) => {
            fields.wrong(
                "local",
                "is false; leave consistency unset for a fresh read",
            );
            Freshness::Local
        }
        None => {
            fields.wrong(
                "at_least",
                "is required, or local: leave consistency unset for neither",
            );
            Freshness::Linearizable
        }
    })
}

impl Manager {
    /// A state that is fresh enough.
    pub(crate) async fn read(&self, freshness: Freshness, call: &Call) -> Result<State, Failure> {
        match freshness {
            Freshness::Local => {}
            Freshness::AtLeast(revision) => self.wait_for(revision, call).await?,
            Freshness::Linearizable => {
                let index = self.read_index(call).await?;
                self.wait_for(index, call).await?;
            }
        }
        Ok(self.cluster.view())
    }

    /// A revision that every change acknowledged so far has, or a later one.
    pub(crate) async fn read_index(&self, call: &Call) -> Result<Revision, Failure> {
        match timeout_at(call.patience(), self.cluster.read_index()).await {
            Ok(index) => Ok(index?),
            Err(_) => Err(Failure::NoQuorum),
        }
    }

    /// Waits until a revision is applied here, for as long as the caller does.
    pub(crate) async fn wait_for(&self, revision: Revision, call: &Call) -> Result<(), Failure> {
        let here = self.cluster.view().revision();
        if here >= revision {
            return Ok(());
        }
        match timeout_at(call.patience(), self.cluster.wait_for(revision)).await {
            Ok(arrived) => Ok(arrived?),
            Err(_) => Err(Failure::NotReady(format!(
                "revision {revision} has not arrived here; this manager has {here}"
            ))),
        }
    }
}
