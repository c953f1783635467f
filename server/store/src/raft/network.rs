// SPDX-License-Identifier: Apache-2.0
//! The way to other managers: none yet, and saying so.

use std::future::Future;

use openraft::OptionalSend;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::v2::RaftNetworkV2;
use openraft::network::{RPCOption, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};

use super::types::{Member, RaftId, RaftVote, Types};
use crate::snapshot::SnapshotFile;

type Snapshot = openraft::alias::SnapshotOf<Types, SnapshotFile>;

/// A network without lines: a swarm with one manager asks nobody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoNetwork;

/// The missing line to one manager.
#[derive(Debug)]
pub(crate) struct NoLine {
    target: RaftId,
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("manager {0} cannot be reached: this skepd is the only manager")]
struct OnlyManager(RaftId);

impl NoLine {
    fn unreachable(&self) -> Unreachable<Types> {
        Unreachable::new(&OnlyManager(self.target))
    }
}

impl RaftNetworkFactory<Types> for NoNetwork {
    type Network = NoLine;

    async fn new_client(&mut self, target: RaftId, _node: &Member) -> NoLine {
        NoLine { target }
    }
}

impl RaftNetworkV2<Types> for NoLine {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: RaftVote,
        _snapshot: Snapshot,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(self.unreachable().into())
    }
}
