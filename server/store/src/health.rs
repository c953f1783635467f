// SPDX-License-Identifier: Apache-2.0
//! How the store is: who leads, how far everyone is, and why it stopped.

use std::time::Duration;

use openraft::metrics::RaftMetrics;
use openraft::{Instant as _, ServerState};
use skep_core::model::Revision;

use crate::log::Poison;
use crate::raft::types::{Member, RaftId, Types};

/// A member that was not heard of for this long counts as unreachable: two election timeouts.
const SILENCE_MAX: Duration = Duration::from_millis(2 * crate::open::ELECTION_MAX_MS);

/// What a manager is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// It decides.
    Leader,
    /// It follows a leader, or waits for one.
    #[default]
    Follower,
    /// It asks for votes.
    Candidate,
    /// It is told everything and has no vote.
    Learner,
    /// It is stopping, or has stopped.
    Stopped,
}

/// Who leads, as far as this manager knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leadership {
    /// What this manager is.
    pub role: Role,
    /// The term.
    pub term: u64,
    /// The leader; nothing: none is known.
    pub leader: Option<RaftId>,
}

impl Leadership {
    /// Whether this manager leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.role == Role::Leader
    }
}

/// Why the store stopped. It changes nothing any more until the daemon is started again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The log could not be written.
    #[error(transparent)]
    Storage(#[from] Poison),
    /// The Raft library stopped for another reason: an error of the program.
    #[error("the store stopped: {0}")]
    Raft(String),
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The number of this manager.
    pub raft_id: RaftId,
    /// Who leads.
    pub leadership: Leadership,
    /// The newest entry of this manager's log.
    pub last_entry: Option<u64>,
    /// The newest revision that is applied here.
    pub applied: Revision,
    /// The entry that the newest snapshot is at.
    pub snapshot: Option<u64>,
    /// The managers.
    pub members: Vec<MemberHealth>,
    /// Why it stopped; nothing: it goes on.
    pub failure: Option<Failure>,
}

/// How one manager is, as the asked one knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberHealth {
    /// Its number.
    pub raft_id: RaftId,
    /// Its node and address.
    pub member: Member,
    /// Whether it has a vote.
    pub voter: bool,
    /// What it is, as far as the asked one can tell.
    pub role: Role,
    /// Whether it was heard of lately. Only the leader knows of the others.
    pub reachable: bool,
    /// The newest entry that it is known to have.
    pub matched: Option<u64>,
}

pub(crate) fn leadership(metrics: &RaftMetrics<Types>) -> Leadership {
    let role = match metrics.state {
        ServerState::Leader => Role::Leader,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Learner => Role::Learner,
        _ => Role::Stopped,
    };
    Leadership {
        role: if metrics.running_state.is_err() {
            Role::Stopped
        } else {
            role
        },
        term: metrics.current_term,
        leader: metrics.current_leader,
    }
}

pub(crate) fn health(
    metrics: &RaftMetrics<Types>,
    applied: Revision,
    failure: Option<Failure>,
) -> Health {
    Health {
        raft_id: metrics.id,
        leadership: leadership(metrics),
        last_entry: last_entry(metrics, applied),
        applied,
        snapshot: metrics.snapshot.map(|id| id.index),
        members: members(metrics, applied),
        failure,
    }
}

/// The library's account of the log may lag behind what is applied already.
fn last_entry(metrics: &RaftMetrics<Types>, applied: Revision) -> Option<u64> {
    let applied = Some(applied.0).filter(|applied| *applied > 0);
    metrics.last_log_index.max(applied)
}

fn members(metrics: &RaftMetrics<Types>, applied: Revision) -> Vec<MemberHealth> {
    let membership = metrics.membership_config.membership();
    let voters: Vec<RaftId> = membership.voter_ids().collect();
    let here = leadership(metrics);
    let member = |(id, member): (&RaftId, &Member)| {
        let itself = *id == metrics.id;
        let heard = metrics
            .heartbeat
            .as_ref()
            .and_then(|heard| heard.get(id)?.as_ref());
        let matched = metrics
            .replication
            .as_ref()
            .and_then(|all| all.get(id)?.as_ref());
        let voter = voters.contains(id);
        MemberHealth {
            raft_id: *id,
            member: member.clone(),
            voter,
            role: match here.leader {
                _ if itself => here.role,
                Some(leader) if leader == *id => Role::Leader,
                _ if voter => Role::Follower,
                _ => Role::Learner,
            },
            reachable: itself || heard.is_some_and(|heard| heard.elapsed() < SILENCE_MAX),
            matched: if itself {
                last_entry(metrics, applied)
            } else {
                matched.map(|id| id.index)
            },
        }
    };
    membership.nodes().map(member).collect()
}
