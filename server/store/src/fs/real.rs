// SPDX-License-Identifier: Apache-2.0
//! The file system of the operating system.

use std::fs::{DirBuilder, File as StdFile, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use super::{File, Fs, OpenMode};

/// The file system of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFs;

impl Fs for RealFs {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
        if dir.is_dir() {
            // One who died may have made it and not synced its name. Where the directory above
            // may not be read, it is not ours and was there before.
            above.map(|above| self.sync_dir(above).ok());
            return Ok(());
        }
        if let Some(above) = above.filter(|above| !above.is_dir()) {
            self.create_dir(above)?;
        }
        DirBuilder::new().mode(0o700).create(dir)?;
        above.map_or(Ok(()), |above| self.sync_dir(above))
    }

    fn close_dir(&self, dir: &Path) -> io::Result<()> {
        let mode = std::fs::metadata(dir)?.permissions().mode();
        if mode & 0o066 == 0 {
            return Ok(());
        }
        std::fs::set_permissions(dir, Permissions::from_mode(0o700))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read).mode(0o600);
        match mode {
            OpenMode::Read | OpenMode::Write => {}
            OpenMode::CreateNew => {
                options.create_new(true);
            }
            OpenMode::CreateOrOpen => {
                options.create(true).truncate(false);
            }
        }
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        StdFile::open(dir)?.sync_all()
    }
}

/// A file of the operating system.
#[derive(Debug)]
struct RealFile(StdFile);

impl File for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::read_all;

    #[test]
    fn files_are_written_renamed_listed_and_removed() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let dir = root.path().join("a/b");
        RealFs.create_dir(&dir).expect("directories");
        RealFs.create_dir(&dir).expect("they may exist");
        let mode = std::fs::metadata(&dir)
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);

        let file = RealFs
            .open(&dir.join("x"), OpenMode::CreateNew)
            .expect("a new file");
        file.write_at(3, b"abc").expect("written");
        file.sync_data().expect("synced");
        let again = RealFs
            .open(&dir.join("x"), OpenMode::CreateNew)
            .expect_err("it exists");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);

        RealFs
            .rename(&dir.join("x"), &dir.join("y"))
            .expect("renamed");
        RealFs.sync_dir(&dir).expect("synced");
        assert_eq!(RealFs.list(&dir).expect("names"), ["y"]);
        let file = RealFs.open(&dir.join("y"), OpenMode::Read).expect("opened");
        assert_eq!(read_all(file.as_ref()).expect("read"), b"\0\0\0abc");
        let mode = std::fs::metadata(dir.join("y"))
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);

        RealFs.remove(&dir.join("y")).expect("removed");
        assert!(RealFs.list(&dir).expect("names").is_empty());
    }

    #[test]
    fn a_lock_is_held_by_one_opening_until_it_is_closed() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().join("lock");
        let first = RealFs.open(&path, OpenMode::CreateOrOpen).expect("opened");
        let second = RealFs.open(&path, OpenMode::CreateOrOpen).expect("opened");
        assert!(first.try_lock().expect("answered"));
        assert!(!second.try_lock().expect("answered"));
        drop(first);
        assert!(second.try_lock().expect("answered"));
    }
}
