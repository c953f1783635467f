// SPDX-License-Identifier: Apache-2.0
//! How a snapshot lies on the disk.
//!
//! Eight bytes that say what it is, then frames, all numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the payload |
//! | 4 | CRC-32C of the frame's offset in the file, the kind and the payload |
//! | 1 | kind: the log id and the members first, then records, and the end |
//! | n | payload |
//!
//! The records are in the form that `skep-wire` gives them. The end counts the frames before
//! it, so a file that is cut off is noticed, and nothing comes behind it.

use bytes::{Buf, BufMut};

use crate::log::LogId;
use crate::raft::convert;
use crate::raft::types::{RaftLogId, SnapshotMeta, StoredMembership};

/// What a snapshot begins with.
pub(super) const MAGIC: &[u8; 8] = b"skepsnp1";

/// The frame before a payload.
pub(super) const FRAME_BYTES: usize = 9;

/// The longest payload that is believed.
pub(super) const PAYLOAD_BYTES_MAX: u32 = 64 << 20;

/// The log id and the members.
pub(super) const META: u8 = 1;
/// A record.
pub(super) const RECORD: u8 = 2;
/// The end.
pub(super) const END: u8 = 3;

/// The name of the snapshot at this index.
pub(super) fn file_name(index: u64) -> String {
    format!("snap-{index:020}.snap")
}

/// The name of a snapshot that is being written.
pub(super) fn unfinished_name(index: u64) -> String {
    format!("snap-{index:020}.tmp")
}

/// The index in the name of a snapshot.
pub(super) fn index_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("snap-")?.strip_suffix(".snap")?;
    if digits.len() == 20 {
        digits.parse().ok()
    } else {
        None
    }
}

/// Whether a snapshot was being written when its daemon ended.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with("snap-") && name.ends_with(".tmp")
}

/// Appends a frame that will lie at `offset`.
pub(super) fn put_frame(offset: u64, kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.put_u32_le(u32::try_from(payload.len()).expect("records are small"));
    out.put_u32_le(checksum(offset, kind, payload));
    out.put_u8(kind);
    out.put_slice(payload);
}

pub(super) fn checksum(offset: u64, kind: u8, payload: &[u8]) -> u32 {
    let seed = crc32c::crc32c_append(crc32c::crc32c(&offset.to_le_bytes()), &[kind]);
    crc32c::crc32c_append(seed, payload)
}

/// The first frame's payload.
pub(super) fn encode_meta(meta: &SnapshotMeta) -> Vec<u8> {
    let mut out = Vec::new();
    put_id(meta.last_log_id.as_ref(), &mut out);
    put_id(meta.last_membership.log_id().as_ref(), &mut out);
    convert::encode_members(meta.last_membership.membership(), &mut out);
    out
}

/// What the first frame's payload says.
///
/// # Errors
/// What cannot be read of it.
pub(super) fn decode_meta(mut payload: &[u8]) -> Result<SnapshotMeta, String> {
    let damaged = || "the first record cannot be read".to_owned();
    let last_log_id = take_id(&mut payload).ok_or_else(damaged)?;
    let members_at = take_id(&mut payload).ok_or_else(damaged)?;
    let members = convert::decode_members(payload)?;
    Ok(SnapshotMeta {
        last_log_id,
        last_membership: StoredMembership::new(members_at, members),
    })
}

fn put_id(id: Option<&RaftLogId>, out: &mut Vec<u8>) {
    out.put_u8(u8::from(id.is_some()));
    let id = id.map(convert::log_id).unwrap_or_default();
    for number in [id.term, id.node, id.index] {
        out.put_u64_le(number);
    }
}

#[expect(
    clippy::option_option,
    reason = "the outer one is for a payload that is too short"
)]
fn take_id(payload: &mut &[u8]) -> Option<Option<RaftLogId>> {
    let present = payload.try_get_u8().ok()?;
    let id = LogId {
        term: payload.try_get_u64_le().ok()?,
        node: payload.try_get_u64_le().ok()?,
        index: payload.try_get_u64_le().ok()?,
    };
    Some((present == 1).then(|| convert::raft_log_id(id)))
}
