// SPDX-License-Identifier: Apache-2.0
//! `docs/troubleshooting.md` names every cause that the contract names.

use std::collections::BTreeSet;

use super::{comment, enums, files, pool};

const PAGE: &str = include_str!("../../../docs/troubleshooting.md");

/// The words of a text that are causes: UPPER_SNAKE, such as TASK_FAILED.
fn causes(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.len() > 1 && word.starts_with(|c: char| c.is_ascii_uppercase()))
        .filter(|word| !word.contains(|c: char| c.is_ascii_lowercase()))
        .map(ToOwned::to_owned)
        .collect()
}

/// The causes in the first cell of each row of the page.
fn rows() -> BTreeSet<String> {
    let cells = PAGE.lines().filter_map(|line| line.strip_prefix("| "));
    cells
        .filter_map(|cells| cells.split(" | ").next())
        .flat_map(causes)
        .collect()
}

#[test]
fn each_error_and_each_check_has_its_row() {
    let rows = rows();
    for (name, prefix) in [
        ("ErrorReason", "ERROR_REASON_"),
        ("PlacementCheck", "PLACEMENT_CHECK_"),
    ] {
        let pool = pool();
        let found = enums(&pool).into_iter().find(|found| found.name() == name);
        let values = found.expect("it is in the contract");
        let reasons: Vec<String> = values
            .values()
            .filter(|value| value.number() != 0)
            .map(|value| value.name().trim_start_matches(prefix).to_owned())
            .collect();
        assert!(reasons.len() > 5, "{reasons:?}");
        let missing: Vec<_> = reasons
            .iter()
            .filter(|name| !rows.contains(*name))
            .collect();
        assert!(missing.is_empty(), "no row for {missing:?}");
    }
}

#[test]
fn each_cause_that_a_comment_names_is_there() {
    let (pool, words) = (pool(), causes(PAGE));
    for path in [
        "Rollout.reason",
        "TaskStatus.reason",
        "LogGap.reason",
        "ServiceStatus.conditions",
    ] {
        let (message, field) = path.split_once('.').expect("a field of a message");
        let name = format!("skep.v1.{message}");
        let message = pool.get_message_by_name(&name).expect("it is there");
        let field = message.get_field_by_name(field).expect("it is there");
        let file = files(&pool)
            .into_iter()
            .find(|file| *file == message.parent_file())
            .expect("a message is in a file");
        let named: BTreeSet<String> = causes(&comment(&file, field.path()))
            .into_iter()
            .filter(|cause| cause != "UPPER_SNAKE")
            .collect();
        assert!(named.len() > 2, "{path}: {named:?}");
        let missing: Vec<_> = named.difference(&words).collect();
        assert!(missing.is_empty(), "{path}: the page has no {missing:?}");
    }
}
