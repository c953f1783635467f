// SPDX-License-Identifier: Apache-2.0
//! The files in which an agent remembers: each is replaced as a whole, or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use skep_core::assign::Held;
use skep_wire::session::{AgentMemory, REMEMBERED_FORMAT, decode_held, decode_memory};

/// What the node was given.
const ASSIGNMENTS: &str = "assignments";
/// What it did about that.
const MEMORY: &str = "memory";

/// What each file begins with, before its format, the checksum of the rest, and the rest.
const MAGIC: [u8; 8] = *b"skepnode";
const HEADER_BYTES: usize = MAGIC.len() + 8;

/// Why what an agent remembered cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The file cannot be read, or the directory cannot be made.
    #[error("cannot use {}: {source}", file.display())]
    Io {
        /// The file or directory.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not as it was written.
    #[error(
        "{} is damaged: {what}. Move it away: the node then asks the managers for it anew, and \
         leaves alone what runs until they have answered", file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A later version wrote it.
    #[error(
        "{} has format {found}, and this version reads up to {known}: start the version that \
         wrote it, or a later one", file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that can be read.
        known: u32,
    },
}

/// The directory of one agent.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    dir: PathBuf,
}

/// What is to be replaced.
#[derive(Clone, Default, Debug)]
pub(super) struct Pages {
    pub(super) assignments: Option<Vec<u8>>,
    pub(super) memory: Option<Vec<u8>>,
}

impl Pages {
    pub(super) fn is_empty(&self) -> bool {
        self.assignments.is_none() && self.memory.is_none()
    }
}

impl Disk {
    /// Uses this directory, which is made if it is not there.
    pub(super) fn open(dir: &Path) -> Result<Disk, MemoryError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|source| MemoryError::Io {
            file: dir.to_owned(),
            source,
        })?;
        Ok(Disk {
            dir: dir.to_owned(),
        })
    }

    /// Where it is.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads what is remembered.
    pub(super) fn load(&self) -> Result<(Held, AgentMemory), MemoryError> {
        let damaged = |name: &str, what: String| MemoryError::Damaged {
            file: self.dir.join(name),
            what,
        };
        let held = self.read(ASSIGNMENTS)?.map(|bytes| decode_held(&bytes));
        let held = held
            .transpose()
            .map_err(|e| damaged(ASSIGNMENTS, e.to_string()))?;
        let memory = self.read(MEMORY)?.map(|bytes| decode_memory(&bytes));
        let memory = memory
            .transpose()
            .map_err(|e| damaged(MEMORY, e.to_string()))?;
        Ok((held.unwrap_or_default(), memory.unwrap_or_default()))
    }

    /// Replaces pages, durably, one after the other. After a crash one may be older than the
    /// other: nothing is done for either before both are there.
    pub(super) fn save(&self, pages: &Pages) -> Result<(), MemoryError> {
        let pages = [(MEMORY, &pages.memory), (ASSIGNMENTS, &pages.assignments)];
        for (name, bytes) in pages {
            if let Some(bytes) = bytes {
                self.write(name, bytes).map_err(|source| MemoryError::Io {
                    file: self.dir.join(name),
                    source,
                })?;
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let place = self.dir.join(name);
        let new = self.dir.join(format!("{name}.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend(MAGIC);
        header.extend(REMEMBERED_FORMAT.to_le_bytes());
        header.extend(crc32c::crc32c(bytes).to_le_bytes());
        file.write_all(&header)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &place)?;
        File::open(&self.dir)?.sync_all()
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, MemoryError> {
        let file = self.dir.join(name);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(MemoryError::Io { file, source }),
        };
        unwrapped(&file, &bytes).map(|content| Some(content.to_vec()))
    }
}

/// What follows the header, if that says that all is well.
fn unwrapped<'a>(file: &Path, bytes: &'a [u8]) -> Result<&'a [u8], MemoryError> {
    let damaged = |what: &str| MemoryError::Damaged {
        file: file.to_owned(),
        what: what.to_owned(),
    };
    let (magic, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or_else(|| damaged("it is too short"))?;
    if *magic != MAGIC {
        return Err(damaged("it does not begin as such a file does"));
    }
    let (format, rest) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| damaged("it is too short"))?;
    let found = u32::from_le_bytes(*format);
    if found > REMEMBERED_FORMAT {
        let known = REMEMBERED_FORMAT;
        let file = file.to_owned();
        return Err(MemoryError::Newer { file, found, known });
    }
    let (sum, content) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| damaged("it is too short"))?;
    if crc32c::crc32c(content) != u32::from_le_bytes(*sum) {
        return Err(damaged("its checksum is wrong"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use skep_core::assign::Assignments;
    use skep_core::model::Revision;
    use skep_wire::session::{encode_held, encode_memory};

    use super::*;

    fn held(revision: u64) -> Held {
        let mut held = Held::default();
        held.apply(Assignments {
            revision: Revision(revision),
            reset: true,
            ..Assignments::default()
        })
        .expect("the first step");
        held
    }

    fn pages(revision: u64) -> Pages {
        Pages {
            assignments: Some(encode_held(&held(revision))),
            memory: Some(encode_memory(None, [])),
        }
    }

    #[test]
    fn what_was_saved_last_is_loaded() {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = Disk::open(&dir.path().join("agent")).expect("a new directory");
        assert_eq!(disk.load().expect("nothing").0, Held::default());
        disk.save(&pages(3)).expect("saved");
        disk.save(&pages(4)).expect("saved over it");
        assert_eq!(disk.load().expect("it is there").0, held(4));
    }

    #[test]
    fn a_file_left_half_written_is_not_taken() {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = Disk::open(dir.path()).expect("a directory");
        disk.save(&pages(3)).expect("saved");
        fs::write(dir.path().join("assignments.new"), b"half").expect("written");
        assert_eq!(disk.load().expect("the whole one").0, held(3));
    }

    #[test]
    fn damage_and_later_formats_are_told_with_the_cure() {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = Disk::open(dir.path()).expect("a directory");
        disk.save(&pages(3)).expect("saved");
        let file = dir.path().join(ASSIGNMENTS);
        let good = fs::read(&file).expect("it is there");
        let refusal = |bytes: &[u8]| {
            fs::write(&file, bytes).expect("written");
            disk.load().expect_err("not as it was").to_string()
        };

        let mut flipped = good.clone();
        *flipped.last_mut().expect("not empty") ^= 1;
        assert!(refusal(&flipped).contains("assignments is damaged: its checksum is wrong. Move"));
        assert!(refusal(&good[..10]).contains("it is too short"));
        assert!(refusal(b"something else").contains("does not begin"));
        let mut newer = good;
        newer[8] = 9;
        assert!(refusal(&newer).contains("has format 9, and this version reads up to 1"));
    }

    #[test]
    fn a_place_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("taken");
        fs::write(&file, b"").expect("written");
        let error = Disk::open(&file).expect_err("it is a file").to_string();
        assert!(error.contains("taken"), "{error}");
    }
}
