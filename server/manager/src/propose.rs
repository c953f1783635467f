// SPDX-License-Identifier: Apache-2.0
//! Making a change: decide, propose, and decide again if the state has moved on meanwhile.

use prost::Message;
use skep_core::admit::{Admitted, Context};
use skep_core::model::{ObjectId, Revision};
use skep_core::state::{Change, State};

use crate::call::Call;
use crate::error::Failure;
use crate::member::Manager;

/// How often a change may be overtaken by others before the caller is told to come back.
const ATTEMPTS_MAX: u32 = 64;

/// A change is made, or was made before, or was not needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Done {
    /// The revision of the change; of the read if nothing changed.
    pub(crate) revision: Revision,
    /// What the answer is about, as it was at that revision; nothing: there is none.
    pub(crate) object: Option<ObjectId>,
}

impl Manager {
    /// Carries out a request: `decide` says what to do in a given state.
    pub(crate) async fn carry_out<M: Message>(
        &self,
        call: &Call,
        request_id: &str,
        request: &M,
        mut decide: impl FnMut(&State, &Context) -> Result<Admitted, Failure>,
    ) -> Result<Done, Failure> {
        for _ in 0..ATTEMPTS_MAX {
            let ctx = call.context(self.clock.now(), request_id, request);
            // Whoever waits for the log keeps no state: an old one would stay in memory.
            let (seen, found) = self.cluster.look(|source| {
                let found = look(source.state, &ctx, &mut decide);
                (source.state.revision(), found)
            });
            match found {
                Ok(Look::Answered(done)) => return Ok(done),
                Ok(Look::Propose(change, object)) => {
                    if let Some(done) = self.propose(call, change, object).await? {
                        return Ok(done);
                    }
                }
                Ok(Look::Nothing(object)) => {
                    if self.is_newest(seen, call).await? {
                        return Ok(Done {
                            revision: seen,
                            object,
                        });
                    }
                }
                Err(failure) => {
                    if self.is_newest(seen, call).await? {
                        return Err(failure);
                    }
                }
            }
        }
        Err(Failure::NotReady(
            "other changes came before this one again and again".to_owned(),
        ))
    }

    /// Proposes a change; nothing if it was overtaken, or was only a part.
    async fn propose(
        &self,
        call: &Call,
        change: Change,
        object: Option<ObjectId>,
    ) -> Result<Option<Done>, Failure> {
        let proposed = self.cluster.propose(change).await?;
        let revision = proposed.revision;
        if let Some(refusal) = proposed.refusal {
            tracing::debug!(
                ?refusal,
                method = &*call.method,
                "overtaken; deciding again"
            );
            return Ok(None);
        }
        tracing::info!(
            target: "audit",
            caller = &*call.caller,
            method = &*call.method,
            object = object.map(tracing::field::display),
            %revision,
            "changed"
        );
        Ok(object.map(|object| Done {
            revision,
            object: Some(object),
        }))
    }

    /// Whether no change was acknowledged that the state at this revision does not have. What
    /// needs no change is not confirmed by the log, so the leader is asked. If the state is old,
    /// the newer one is here when this returns.
    async fn is_newest(&self, seen: Revision, call: &Call) -> Result<bool, Failure> {
        let index = self.read_index(call).await?;
        if seen >= index {
            return Ok(true);
        }
        self.wait_for(index, call).await?;
        Ok(false)
    }
}

/// What to do in a given state.
enum Look {
    /// It was answered before.
    Answered(Done),
    /// Propose this; without an object it is a part, and more follows.
    Propose(Change, Option<ObjectId>),
    /// It is so already.
    Nothing(Option<ObjectId>),
}

fn look(
    state: &State,
    ctx: &Context,
    decide: &mut impl FnMut(&State, &Context) -> Result<Admitted, Failure>,
) -> Result<Look, Failure> {
    if let Some(record) = ctx.answered(state)? {
        return Ok(Look::Answered(Done {
            revision: record.revision,
            object: Some(record.request.object),
        }));
    }
    Ok(match decide(state, ctx)? {
        Admitted::Change(change, object) => Look::Propose(change, Some(object)),
        Admitted::Part(change) => Look::Propose(change, None),
        Admitted::AlreadySo(object) => Look::Nothing(object),
    })
}
