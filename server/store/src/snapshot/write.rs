// SPDX-License-Identifier: Apache-2.0
//! Writing a snapshot, record by record: it is never whole in memory.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Content;
use super::format::{END, MAGIC, META, RECORD, encode_meta, put_frame};
use crate::error::{OpenError, io_error};
use crate::fs::{File, Fs, OpenMode};

/// How much is written in one go.
const CHUNK_BYTES: usize = 1 << 20;

/// A new file that is written from its beginning to its end.
struct Output {
    file: Arc<dyn File>,
    /// Where the chunk goes.
    offset: u64,
    chunk: Vec<u8>,
    frames: u64,
}

impl Output {
    fn frame(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let offset = self.offset + self.chunk.len() as u64;
        put_frame(offset, kind, payload, &mut self.chunk);
        self.frames += 1;
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(self.offset, &self.chunk)?;
        self.offset += self.chunk.len() as u64;
        self.chunk.clear();
        Ok(())
    }
}

/// Writes a snapshot into a new file and syncs it.
pub(super) fn write(fs: &dyn Fs, path: &Path, content: &Content) -> Result<(), OpenError> {
    write_content(fs, path, content).map_err(io_error("write", path))
}

fn write_content(fs: &dyn Fs, path: &Path, content: &Content) -> io::Result<()> {
    let mut output = Output {
        file: fs.open(path, OpenMode::CreateNew)?,
        offset: 0,
        chunk: MAGIC.to_vec(),
        frames: 0,
    };
    output.frame(META, &encode_meta(&content.meta))?;
    for record in skep_wire::stored::snapshot_records(&content.state, &content.history) {
        output.frame(RECORD, &record)?;
    }
    let frames = output.frames;
    output.frame(END, &frames.to_le_bytes())?;
    output.flush()?;
    output.file.sync_data()
}

/// Copies a snapshot into a new file and syncs it.
pub(super) fn copy(
    from_fs: &dyn Fs,
    from: &Path,
    to_fs: &dyn Fs,
    to: &Path,
) -> Result<(), OpenError> {
    let source = from_fs
        .open(from, OpenMode::Read)
        .map_err(io_error("open", from))?;
    let target = to_fs
        .open(to, OpenMode::CreateNew)
        .map_err(io_error("make", to))?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    loop {
        let read = source
            .read_at(offset, &mut chunk)
            .map_err(io_error("read", from))?;
        if read == 0 {
            return target.sync_data().map_err(io_error("sync", to));
        }
        target
            .write_at(offset, &chunk[..read])
            .map_err(io_error("write", to))?;
        offset += read as u64;
    }
}
