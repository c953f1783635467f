// SPDX-License-Identifier: Apache-2.0
//! The exceptions that are granted, each with its reason.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::tree::Tree;

/// Where they stand.
pub(super) const PATH: &str = "xtask/tidy.toml";

/// Everything in that file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Exceptions {
    pub(super) long_files: Vec<LongFile>,
    pub(super) waits: Vec<Wait>,
}

/// A file that may be longer than others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LongFile {
    pub(super) path: String,
    /// It may shrink below this, and not grow above it.
    pub(super) lines_max: usize,
    pub(super) reason: String,
}

/// A file whose tests may wait by the clock, or be left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    pub(super) path: String,
    pub(super) reason: String,
}

impl Exceptions {
    /// Reads them out of the tree.
    pub(super) fn read(tree: &Tree) -> Result<Exceptions> {
        let file = tree.file(PATH).context("not found")?;
        let all: Exceptions = toml::from_str(&file.text)?;
        let long = all
            .long_files
            .iter()
            .map(|entry| (&entry.path, &entry.reason));
        let waits = all.waits.iter().map(|entry| (&entry.path, &entry.reason));
        for (path, reason) in long.chain(waits) {
            ensure!(reason.len() >= 10, "{path}: an exception needs a reason");
        }
        Ok(all)
    }
}
