// SPDX-License-Identifier: Apache-2.0
//! The data directory: one daemon at a time, and a format that this daemon knows.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fs::{File, Fs, OpenMode, read_all};

/// The first file of a data directory. It names the format and carries the lock.
pub const FORMAT_FILE: &str = "FORMAT";

/// The version of all that is stored in a data directory. A daemon reads this one only.
pub const FORMAT_VERSION: u32 = 1;

/// What the first file begins with, before the version.
const FORMAT_WORDS: &str = "skep data directory, format ";

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error(
        "the data directory {} is in use by another skepd: stop that one, or give this one \
         a directory of its own with --data-dir", .0.display()
    )]
    InUse(PathBuf),
    /// A later version wrote it.
    #[error(
        "the data directory {} has format {found}, this skepd knows formats up to \
         {FORMAT_VERSION}: start the newer skepd that wrote it", .dir.display()
    )]
    NewerFormat {
        /// The directory.
        dir: PathBuf,
        /// The format it has.
        found: u32,
    },
    /// It holds something else.
    #[error(
        "{} is not a data directory of skep: it is not empty and {what}: choose an empty or a \
         new directory with --data-dir", .dir.display()
    )]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {operation} {}", .path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// A data directory that this process alone uses, as long as this value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Open for its lock.
    _format: Arc<dyn File>,
}

impl DataDir {
    /// Makes the directory if it is not there, locks it and checks its format.
    ///
    /// # Errors
    /// [`DataDirError`], each with its cure.
    pub fn open(fs: &dyn Fs, path: &Path) -> Result<Self, DataDirError> {
        let at = |operation, path: &Path| {
            let path = path.to_path_buf();
            move |source| DataDirError::Io {
                operation,
                path,
                source,
            }
        };
        fs.create_dir(path)
            .map_err(at("make the data directory", path))?;
        let others = fs.list(path).map_err(at("read the data directory", path))?;
        let fresh = others.iter().all(|name| name == FORMAT_FILE);
        let file = path.join(FORMAT_FILE);
        if !fresh && !others.iter().any(|name| name == FORMAT_FILE) {
            return Err(foreign(path, "has no file FORMAT"));
        }
        let format = fs
            .open(&file, OpenMode::CreateOrOpen)
            .map_err(at("open", &file))?;
        if !format.try_lock().map_err(at("lock", &file))? {
            return Err(DataDirError::InUse(path.to_path_buf()));
        }
        let content = read_all(format.as_ref()).map_err(at("read", &file))?;
        let expected = format!("{FORMAT_WORDS}{FORMAT_VERSION}\n");
        if fresh && content.len() < expected.len() && expected.as_bytes().starts_with(&content) {
            // New, or its very first start was cut short.
            format
                .write_at(0, expected.as_bytes())
                .map_err(at("write", &file))?;
        } else {
            check_format(path, &content)?;
        }
        // It was made by hand, or by a version that was less careful.
        fs.close_dir(path)
            .map_err(at("make private (mode 0700)", path))?;
        // Also what was there: a daemon that died may have left it in the system's cache alone.
        format.sync_data().map_err(at("sync", &file))?;
        fs.sync_dir(path).map_err(at("sync", path))?;
        Ok(Self {
            path: path.to_path_buf(),
            _format: format,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn foreign(dir: &Path, what: &'static str) -> DataDirError {
    DataDirError::Foreign {
        dir: dir.to_path_buf(),
        what,
    }
}

fn check_format(dir: &Path, content: &[u8]) -> Result<(), DataDirError> {
    let words = std::str::from_utf8(content).ok();
    let version = words.and_then(|words| words.strip_prefix(FORMAT_WORDS));
    let version = version.and_then(|version| version.trim_end().parse::<u32>().ok());
    match version {
        Some(FORMAT_VERSION) => Ok(()),
        Some(found) if found > FORMAT_VERSION => Err(DataDirError::NewerFormat {
            dir: dir.to_path_buf(),
            found,
        }),
        _ => Err(foreign(
            dir,
            "its file FORMAT does not name a format of skep",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Fault, Loss, RealFs, SimFs};

    fn format_of(dir: &Path) -> String {
        std::fs::read_to_string(dir.join(FORMAT_FILE)).expect("the first file")
    }

    #[test]
    fn the_first_file_names_the_format() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let dir = root.path().join("data");
        drop(DataDir::open(&RealFs, &dir).expect("new"));
        assert_eq!(format_of(&dir), "skep data directory, format 1\n");
        DataDir::open(&RealFs, &dir).expect("again");
    }

    #[test]
    fn a_directory_that_was_open_to_others_is_closed() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().expect("a temporary directory");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(root.path(), open).expect("permissions");
        drop(DataDir::open(&RealFs, root.path()).expect("opened"));
        let mode = std::fs::metadata(root.path())
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_second_daemon_is_refused_until_the_first_ends() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let first = DataDir::open(&RealFs, root.path()).expect("opened");
        let error = DataDir::open(&RealFs, root.path()).expect_err("in use");
        assert!(
            matches!(&error, DataDirError::InUse(path) if path == root.path()),
            "{error}"
        );
        assert!(error.to_string().contains("--data-dir"), "{error}");
        drop(first);
        DataDir::open(&RealFs, root.path()).expect("free again");
    }

    #[test]
    fn a_newer_format_is_refused_with_words() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let newer = "skep data directory, format 7\n";
        std::fs::write(root.path().join(FORMAT_FILE), newer).expect("written");
        let error = DataDir::open(&RealFs, root.path()).expect_err("newer");
        assert!(
            matches!(error, DataDirError::NewerFormat { found: 7, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("formats up to 1"), "{error}");
        assert_eq!(format_of(root.path()), newer, "left as it was");
    }

    #[test]
    fn a_directory_of_something_else_is_refused() {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(root.path().join("thesis.tex"), "years of work").expect("written");
        let error = DataDir::open(&RealFs, root.path()).expect_err("foreign");
        assert!(matches!(error, DataDirError::Foreign { .. }), "{error}");
        assert!(!root.path().join(FORMAT_FILE).exists());

        std::fs::write(root.path().join(FORMAT_FILE), "pdf").expect("written");
        let error = DataDir::open(&RealFs, root.path()).expect_err("foreign");
        assert!(matches!(error, DataDirError::Foreign { .. }), "{error}");
    }

    #[test]
    fn a_crash_at_any_moment_of_the_first_start_does_no_harm() {
        let dir = Path::new("/data");
        for seed in 0..50 {
            for operation in 1..=4 {
                let fs = SimFs::new(seed);
                fs.plan(operation, Fault::PowerOff);
                let _ = DataDir::open(&fs, dir);
                fs.crash(Loss::Random);
                if let Err(error) = DataDir::open(&fs, dir) {
                    panic!("seed {seed}, operation {operation}: {error}");
                }
            }
        }
    }
}
