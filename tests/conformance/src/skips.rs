// SPDX-License-Identifier: Apache-2.0
//! Scenarios that one language cannot pass yet, each with its reason.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// An entry of skips.yaml.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Skip {
    pub(crate) language: String,
    /// "file: name" of the scenario.
    pub(crate) scenario: String,
    pub(crate) reason: String,
}

impl Skip {
    /// Reads the file.
    pub(crate) fn read_all(path: &Path) -> Result<Vec<Skip>> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        serde_yaml_ng::from_str(&text).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Suite;

    #[test]
    fn what_is_skipped_is_there() {
        let folder = crate::folder();
        let suites = Suite::read_all(&folder.join("scenarios")).unwrap();
        let names: Vec<String> = suites
            .iter()
            .flat_map(|suite| suite.scenarios.iter().map(|one| suite.title(one)))
            .collect();
        for skip in Skip::read_all(&folder.join("skips.yaml")).unwrap() {
            assert!(
                names.contains(&skip.scenario),
                "no scenario {:?}",
                skip.scenario
            );
            assert!(!skip.reason.is_empty(), "{:?} has no reason", skip.scenario);
        }
    }
}
