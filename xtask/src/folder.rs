// SPDX-License-Identifier: Apache-2.0
//! Folders of files that are generated, in which nothing else lies.
//!
//! Everything is made in memory first, so that "write it" and "is it what would be written?"
//! cannot differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// What files hold, by their names.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Makes a folder, below the root of the repository, hold these files and no other.
///
/// # Errors
/// If a file cannot be written or removed.
pub(crate) fn write(root: &Path, folder: &str, wanted: &Files) -> Result<()> {
    let folder = root.join(folder);
    fs::create_dir_all(&folder)?;
    for name in present(&folder)?.keys() {
        if !wanted.contains_key(name) {
            fs::remove_file(folder.join(name))?;
        }
    }
    for (name, content) in wanted {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Whether a folder holds these files and no other.
///
/// # Errors
/// If it does not: the message names the files and the cure.
pub(crate) fn check(root: &Path, folder: &str, wanted: &Files) -> Result<()> {
    let stale = differences(&present(&root.join(folder))?, wanted);
    if !stale.is_empty() {
        bail!(
            "{folder}/ does not fit the .proto files: {}\nrun `make gen` and commit the result",
            stale.join(", ")
        );
    }
    Ok(())
}

/// File names, each with "missing", "changed" or "not generated", of what differs.
fn differences(present: &Files, wanted: &Files) -> Vec<String> {
    let mut found = Vec::new();
    for (name, content) in wanted {
        match present.get(name) {
            None => found.push(format!("{name} is missing")),
            Some(there) if there != content => found.push(format!("{name} is stale")),
            Some(_) => {}
        }
    }
    for name in present.keys().filter(|name| !wanted.contains_key(*name)) {
        found.push(format!("{name} is not generated"));
    }
    found
}

/// The files of a folder by name; none if there is no such folder.
pub(crate) fn present(folder: &Path) -> Result<Files> {
    let mut files = BTreeMap::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.insert(name, fs::read(entry.path())?);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_difference_is_found() {
        let file = |text: &str| text.as_bytes().to_vec();
        let present = BTreeMap::from([("a".into(), file("1")), ("b".into(), file("1"))]);
        let wanted = BTreeMap::from([("b".into(), file("2")), ("c".into(), file("1"))]);
        let found = differences(&present, &wanted);
        assert_eq!(found, ["b is stale", "c is missing", "a is not generated"]);
        assert!(differences(&wanted, &wanted).is_empty());
    }
}
