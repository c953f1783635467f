// SPDX-License-Identifier: Apache-2.0
//! What an agent keeps on its disk: two files, each written whole under another name, synced,
//! and renamed.

use std::io;
use std::path::{Path, PathBuf};

use skep_core::assign::Held;
use skep_core::node_agent::TaskRecord;
use skep_core::session::Welcome;
use skep_store::fs::{Fs, OpenMode, SimFs, read_all};
use skep_wire::session::{AgentMemory, decode_held, decode_memory, encode_held, encode_memory};

const DIR: &str = "/agent";
const HELD: &str = "assignments";
const MEMORY: &str = "memory";

/// Makes the directory.
pub(crate) fn begin(fs: &SimFs) -> io::Result<()> {
    fs.create_dir(Path::new(DIR))
}

/// Remembers what the node was given.
pub(crate) fn save_held(fs: &SimFs, held: &Held) -> io::Result<()> {
    save(fs, HELD, &encode_held(held))
}

/// Remembers what the agent does.
pub(crate) fn save_memory<'a>(
    fs: &SimFs,
    welcome: Option<&Welcome>,
    records: impl IntoIterator<Item = &'a TaskRecord>,
) -> io::Result<()> {
    save(fs, MEMORY, &encode_memory(welcome, records))
}

fn save(fs: &SimFs, name: &str, content: &[u8]) -> io::Result<()> {
    let path = Path::new(DIR).join(name);
    let unfinished = path.with_extension("tmp");
    // Left by a life before.
    let _ = fs.remove(&unfinished);
    let file = fs.open(&unfinished, OpenMode::CreateNew)?;
    file.write_at(0, content)?;
    file.sync_data()?;
    fs.rename(&unfinished, &path)?;
    fs.sync_dir(Path::new(DIR))
}

/// What is remembered; nothing of what was never saved.
pub(crate) fn load(fs: &SimFs) -> Result<(Held, AgentMemory), String> {
    let held = match read(fs, HELD)? {
        Some(bytes) => decode_held(&bytes).map_err(|error| error.to_string())?,
        None => Held::default(),
    };
    let memory = match read(fs, MEMORY)? {
        Some(bytes) => decode_memory(&bytes).map_err(|error| error.to_string())?,
        None => AgentMemory::default(),
    };
    Ok((held, memory))
}

fn read(fs: &SimFs, name: &str) -> Result<Option<Vec<u8>>, String> {
    let path: PathBuf = Path::new(DIR).join(name);
    match fs.open(&path, OpenMode::Read) {
        Ok(file) => Ok(Some(read_all(file.as_ref()).map_err(|e| e.to_string())?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}
