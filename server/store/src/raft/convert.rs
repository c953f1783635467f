// SPDX-License-Identifier: Apache-2.0
//! Between the Raft library's types and those of the log.
//!
//! The payload of an entry begins with a byte for its kind. A change follows in the form that
//! `skep-wire` gives it; members follow in a form of their own, as no other room knows them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes};
use openraft::EntryPayload;
use openraft::entry::RaftEntry as _;
use openraft::vote::RaftLeaderId as _;
use skep_core::model::NodeId;
use skep_core::state::Change;

use super::types::{
    Command, Member, Membership, RaftEntry, RaftId, RaftLeaderId, RaftLogId, RaftVote,
};
use crate::log::{LogId, Record, Vote};

const BLANK: u8 = 0;
const CHANGE: u8 = 1;
const MEMBERS: u8 = 2;

/// Most managers, or sets of them, that a stored membership may have: more is damage.
const MEMBERS_MAX: u32 = 10_000;

pub(crate) fn log_id(id: &RaftLogId) -> LogId {
    let leader = id.committed_leader_id();
    LogId {
        term: leader.term,
        node: *leader.node_id(),
        index: id.index(),
    }
}

pub(crate) fn raft_log_id(id: LogId) -> RaftLogId {
    RaftLogId::new(RaftLeaderId::new(id.term, id.node), id.index)
}

pub(crate) fn vote(vote: &RaftVote) -> Vote {
    Vote {
        term: vote.leader_id.term,
        node: *vote.leader_id.node_id(),
        committed: vote.committed,
    }
}

pub(crate) fn raft_vote(vote: Vote) -> RaftVote {
    if vote.committed {
        RaftVote::new_committed(vote.term, vote.node)
    } else {
        RaftVote::new(vote.term, vote.node)
    }
}

/// A change, ready to be proposed.
pub(crate) fn command(change: Change) -> Command {
    let mut payload = vec![CHANGE];
    payload.append(&mut skep_wire::stored::encode_change(&change));
    Command {
        change: change.into(),
        payload: payload.into(),
    }
}

/// The record of an entry.
pub(crate) fn record(entry: &RaftEntry) -> Record {
    let payload = match &entry.payload {
        EntryPayload::Blank => Bytes::from_static(&[BLANK]),
        EntryPayload::Normal(command) => command.payload.clone(),
        EntryPayload::Membership(members) => {
            let mut payload = vec![MEMBERS];
            encode_members(members, &mut payload);
            payload.into()
        }
    };
    Record::Entry {
        id: log_id(&entry.log_id),
        payload,
    }
}

/// The entry of a record.
///
/// # Errors
/// What cannot be read of it.
pub(crate) fn entry(id: LogId, payload: Bytes) -> Result<RaftEntry, String> {
    let (kind, rest) = payload.split_first().ok_or("an entry is empty")?;
    let content = match *kind {
        BLANK if rest.is_empty() => EntryPayload::Blank,
        CHANGE => {
            let change = skep_wire::stored::decode_change(rest).map_err(|e| e.to_string())?;
            EntryPayload::Normal(Command {
                change: change.into(),
                payload,
            })
        }
        MEMBERS => EntryPayload::Membership(decode_members(rest)?),
        kind => return Err(format!("an entry of kind {kind}")),
    };
    Ok(RaftEntry::new(raft_log_id(id), content))
}

/// Appends the stored form of the members.
pub(crate) fn encode_members(members: &Membership, out: &mut Vec<u8>) {
    let configs = members.get_joint_config();
    out.put_u32_le(count(configs.len()));
    for voters in configs {
        out.put_u32_le(count(voters.len()));
        voters.iter().for_each(|id| out.put_u64_le(*id));
    }
    let nodes: Vec<(&RaftId, &Member)> = members.nodes().collect();
    out.put_u32_le(count(nodes.len()));
    for (id, member) in nodes {
        out.put_u64_le(*id);
        out.put_u128_le(member.node.0);
        out.put_u32_le(count(member.address.len()));
        out.put_slice(member.address.as_bytes());
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("members are few and their addresses short")
}

/// The members that were stored as these bytes, all of them.
///
/// # Errors
/// What cannot be read of it.
pub(crate) fn decode_members(mut bytes: &[u8]) -> Result<Membership, String> {
    let damaged = || "the members cannot be read".to_owned();
    let members = take_members(&mut bytes).ok_or_else(damaged)?;
    let (configs, nodes) = members;
    if !bytes.is_empty() {
        return Err(damaged());
    }
    if configs.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, nodes).map_err(|error| error.to_string())
}

type Members = (Vec<BTreeSet<RaftId>>, BTreeMap<RaftId, Member>);

fn take_members(bytes: &mut &[u8]) -> Option<Members> {
    let mut configs = Vec::new();
    for _ in 0..take_count(bytes)? {
        let voters = (0..take_count(bytes)?).map(|_| bytes.try_get_u64_le().ok());
        configs.push(voters.collect::<Option<_>>()?);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..take_count(bytes)? {
        let id = bytes.try_get_u64_le().ok()?;
        let node = NodeId(bytes.try_get_u128_le().ok()?);
        let length = usize::try_from(bytes.try_get_u32_le().ok()?).ok()?;
        let (address, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        let address = String::from_utf8(address.to_vec()).ok()?;
        nodes.insert(id, Member { node, address });
    }
    Some((configs, nodes))
}

fn take_count(bytes: &mut &[u8]) -> Option<u32> {
    bytes
        .try_get_u32_le()
        .ok()
        .filter(|count| *count <= MEMBERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Membership {
        let member = |n: u64| Member {
            node: NodeId(u128::from(n) << 100),
            address: format!("10.0.0.{n}:2377"),
        };
        let configs = vec![BTreeSet::from([1, 2]), BTreeSet::from([1, 2, 3])];
        let nodes: BTreeMap<_, _> = (1..=4).map(|n| (n, member(n))).collect();
        Membership::new(configs, nodes).expect("members")
    }

    #[test]
    fn every_kind_of_entry_is_read_as_it_was_written() {
        let id = raft_log_id(LogId {
            term: 3,
            node: 2,
            index: 77,
        });
        let change = Change {
            caller: "someone".into(),
            ..Change::default()
        };
        for content in [
            EntryPayload::Blank,
            EntryPayload::Normal(command(change.clone())),
            EntryPayload::Membership(members()),
        ] {
            let Record::Entry { id, payload } = record(&RaftEntry::new(id, content.clone())) else {
                panic!("an entry");
            };
            let read = entry(id, payload).expect("readable");
            assert_eq!(log_id(&read.log_id), id);
            match (read.payload, content) {
                (EntryPayload::Blank, EntryPayload::Blank) => {}
                (EntryPayload::Normal(read), EntryPayload::Normal(_)) => {
                    assert_eq!(*read.change, change);
                }
                (EntryPayload::Membership(read), EntryPayload::Membership(wrote)) => {
                    assert_eq!(read, wrote);
                }
                (read, wrote) => panic!("{read:?} of {wrote:?}"),
            }
        }
    }

    #[test]
    fn members_that_are_cut_off_are_refused() {
        let mut bytes = Vec::new();
        encode_members(&members(), &mut bytes);
        for length in 0..bytes.len() {
            assert!(decode_members(&bytes[..length]).is_err(), "{length}");
        }
        bytes.push(0);
        assert!(decode_members(&bytes).is_err(), "and something behind it");
    }

    #[test]
    fn unknown_entries_are_refused() {
        for payload in [&[][..], &[9], &[BLANK, 1], &[CHANGE, 0xff, 0xff]] {
            let payload = Bytes::copy_from_slice(payload);
            assert!(
                entry(LogId::default(), payload.clone()).is_err(),
                "{payload:?}"
            );
        }
    }
}
