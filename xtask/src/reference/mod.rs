// SPDX-License-Identifier: Apache-2.0
//! The reference of the API, `docs/api/`: the comments of the contract as pages, one for each
//! service, with an example for each method.

mod page;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use prost_types::FileDescriptorSet;
use serde_json::Value;

use crate::contract;
use crate::folder::{self, Files};

/// Where the pages go: nothing else lies there.
const PAGES: &str = "docs/api";
/// A request for each method, by `Service/Method`: written by hand, and sent to a real daemon by
/// a test.
const EXAMPLES: &str = "proto/examples.json";

/// Requests by `Service/Method`.
type Examples = BTreeMap<String, Value>;

/// Writes the pages, and removes what is no longer written.
///
/// # Errors
/// If the contract does not compile, an example is missing, or a file cannot be written.
pub(crate) fn write(root: &Path) -> Result<()> {
    folder::write(root, PAGES, &pages(root)?)
}

/// Compares the pages with what [`write()`] would write.
///
/// # Errors
/// If they differ: the message names the pages and the cure.
pub(crate) fn check(root: &Path) -> Result<()> {
    folder::check(root, PAGES, &pages(root)?)
}

/// All pages by name.
fn pages(root: &Path) -> Result<Files> {
    let set = contract::public(root)?;
    let text = fs::read_to_string(root.join(EXAMPLES)).context(EXAMPLES)?;
    let examples: Examples = serde_json::from_str(&text).context(EXAMPLES)?;
    check_examples(&set, &examples)?;
    Ok(page::all(&set, &examples)
        .into_iter()
        .map(|(name, text)| (name, text.into_bytes()))
        .collect())
}

/// That every method has an example, and every example a method.
fn check_examples(set: &FileDescriptorSet, examples: &Examples) -> Result<()> {
    let services = set.file.iter().flat_map(|file| &file.service);
    let methods: BTreeSet<String> = services
        .flat_map(|service| {
            let named = |it: &prost_types::MethodDescriptorProto| {
                format!("{}/{}", service.name(), it.name())
            };
            service.method.iter().map(named).collect::<Vec<_>>()
        })
        .collect();
    let known: BTreeSet<String> = examples.keys().cloned().collect();
    let differ: Vec<_> = methods.symmetric_difference(&known).cloned().collect();
    ensure!(
        differ.is_empty(),
        "{EXAMPLES}: has to have an example for each method and no other: {}",
        differ.join(", ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_fresh() {
        check(crate::repository_root()).expect("docs/api/ fits proto/");
    }

    #[test]
    fn an_example_too_few_and_one_too_many_are_named() {
        let root = crate::repository_root();
        let set = contract::public(root).expect("it compiles");
        let one = Examples::from([("No/Method".to_owned(), Value::Null)]);
        let error = check_examples(&set, &one).expect_err("wrong").to_string();
        assert!(error.contains("No/Method"), "{error}");
        assert!(error.contains("TaskService/GetTask"), "{error}");
    }

    #[test]
    fn methods_fail_with_reasons_that_there_are() {
        let set = contract::public(crate::repository_root()).expect("it compiles");
        let reasons = words::reasons(&set);
        for (method, named) in words::failures(&set) {
            for reason in named {
                assert!(reasons.contains(&reason), "{method}: {reason}");
            }
        }
    }
}
