// SPDX-License-Identifier: Apache-2.0
//! Reading a snapshot, and refusing one that is not whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use skep_wire::stored::SnapshotReader;

use super::Content;
use super::format::{
    END, FRAME_BYTES, MAGIC, META, PAYLOAD_BYTES_MAX, RECORD, checksum, decode_meta,
};
use crate::error::{OpenError, io_error};
use crate::fs::{File, Fs, OpenMode};

/// How much is read in one go, at least.
const CHUNK_BYTES: usize = 1 << 20;

/// A file that is read from its beginning to its end.
struct Input {
    file: Arc<dyn File>,
    path: PathBuf,
    /// Where the next unread byte is.
    offset: u64,
    buffer: Vec<u8>,
    /// So much of the buffer is read.
    used: usize,
}

impl Input {
    /// The next bytes; fewer only at the end of the file.
    fn take(&mut self, bytes: usize) -> Result<&[u8], OpenError> {
        if self.buffer.len() - self.used < bytes {
            self.fill(bytes)?;
        }
        let start = self.used;
        let end = (start + bytes).min(self.buffer.len());
        self.used = end;
        self.offset += (end - start) as u64;
        Ok(&self.buffer[start..end])
    }

    fn fill(&mut self, bytes: usize) -> Result<(), OpenError> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let kept = self.buffer.len();
        let at = self.offset + kept as u64;
        self.buffer.resize(kept + bytes.max(CHUNK_BYTES), 0);
        let read = self
            .file
            .read_at(at, &mut self.buffer[kept..])
            .map_err(io_error("read", &self.path))?;
        self.buffer.truncate(kept + read);
        Ok(())
    }

    /// The next frame.
    fn frame(&mut self) -> Result<(u8, &[u8]), OpenError> {
        let start = self.offset;
        let Ok(head) = <[u8; FRAME_BYTES]>::try_from(self.take(FRAME_BYTES)?) else {
            return Err(self.damaged(start, "it ends too early"));
        };
        let [l0, l1, l2, l3, c0, c1, c2, c3, kind] = head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let expected = u32::from_le_bytes([c0, c1, c2, c3]);
        if length > PAYLOAD_BYTES_MAX {
            return Err(self.damaged(start, "a record has an impossible length"));
        }
        let sound = {
            let payload = self.take(length as usize)?;
            payload.len() == length as usize && checksum(start, kind, payload) == expected
        };
        if !sound {
            return Err(self.damaged(start, "the checksum of a record is wrong"));
        }
        let end = self.used;
        Ok((kind, &self.buffer[end - length as usize..end]))
    }

    fn damaged(&self, offset: u64, what: &str) -> OpenError {
        OpenError::Damaged {
            file: self.path.clone(),
            offset,
            after: None,
            what: what.to_owned(),
        }
    }

    fn unreadable(&self, what: impl ToString) -> OpenError {
        OpenError::Unreadable {
            file: self.path.clone(),
            what: what.to_string(),
        }
    }
}

/// Reads a whole snapshot.
pub(super) fn read(fs: &dyn Fs, path: &Path) -> Result<Content, OpenError> {
    let mut input = Input {
        file: fs
            .open(path, OpenMode::Read)
            .map_err(io_error("open", path))?,
        path: path.to_path_buf(),
        offset: 0,
        buffer: Vec::new(),
        used: 0,
    };
    if input.take(MAGIC.len())? != MAGIC {
        return Err(input.damaged(0, "it does not begin as a snapshot does"));
    }
    let (kind, payload) = input.frame()?;
    let meta = if kind == META {
        decode_meta(payload)
    } else {
        Err("the first record is missing".to_owned())
    };
    let meta = meta.map_err(|what| input.unreadable(what))?;
    let (state, history) = read_records(&mut input)?;
    Ok(Content {
        meta,
        state,
        history,
    })
}

type StateAndHistory = (skep_core::state::State, skep_core::state::History);

fn read_records(input: &mut Input) -> Result<StateAndHistory, OpenError> {
    let mut reader = SnapshotReader::default();
    let mut frames = 1_u64;
    loop {
        let offset = input.offset;
        let (kind, payload) = input.frame()?;
        match kind {
            RECORD => {
                let read = reader.record(payload);
                read.map_err(|error| input.unreadable(error))?;
                frames += 1;
            }
            END if payload == frames.to_le_bytes() => break,
            END => return Err(input.damaged(offset, "records are missing")),
            _ => return Err(input.unreadable(format!("a record of kind {kind}"))),
        }
    }
    if !input.take(1)?.is_empty() {
        return Err(input.damaged(input.offset - 1, "something comes behind its end"));
    }
    reader.finish().map_err(|error| input.unreadable(error))
}
