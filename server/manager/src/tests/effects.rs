// SPDX-License-Identifier: Apache-2.0
//! Every field of every spec is listed in `effects.txt` with the test that shows what it does once
//! it is set: in whichever crate that is decided or done. That specs come back as they were
//! written is shown by [`super::fields`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prost_reflect::{FieldDescriptor, Kind};

use super::fields::{fields_below, is_ours};
use super::raw::pool;

const TABLE: &str = include_str!("effects.txt");

/// What people write into a spec.
const SPECS: [&str; 3] = ["ServiceSpec", "NodeSpec", "SwarmSpec"];

/// A row: the field, the file of its test from the root of the repository on, the test's name, and a
/// word by which the file names the field.
struct Row {
    field: &'static str,
    file: &'static str,
    test: &'static str,
    word: &'static str,
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let row = |line: &'static str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [field, place, more @ ..] = &words[..] else {
            panic!("not a row: {line}")
        };
        let (file, test) = place.split_once("::").expect("file::test");
        let last = field.rsplit('.').next().expect("a name");
        let word = more.first().copied().unwrap_or(last);
        Row {
            field,
            file,
            test,
            word,
        }
    };
    lines.map(row).collect()
}

/// The fields of all specs that are no messages of ours with fields of their own.
fn leaves() -> BTreeSet<String> {
    let root = |name: &&str| pool().get_message_by_name(&format!("skep.v1.{name}"));
    let fields = fields_below(SPECS.iter().filter_map(root).collect());
    let leaves = fields.iter().filter(|field| !has_fields_of_its_own(field));
    let names = leaves.map(|leaf| format!("{}.{}", leaf.parent_message().name(), leaf.name()));
    names.collect()
}

fn has_fields_of_its_own(field: &FieldDescriptor) -> bool {
    let value = match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    };
    matches!(value, Kind::Message(inner) if is_ours(&inner) && inner.fields().len() > 0)
}

/// What stands right above a function in a file, its attributes among it; nothing: it is not there.
fn above<'a>(text: &'a str, function: &str) -> Option<&'a str> {
    let begin = text.find(&format!("fn {function}("))?;
    let above = text[..begin].rfind("\n\n").unwrap_or(0);
    Some(&text[above..begin])
}

#[test]
fn every_field_of_every_spec_has_a_test_of_what_it_does() {
    let leaves = leaves();
    assert!(leaves.len() >= 109, "{} fields", leaves.len());
    let rows = rows();
    let listed: BTreeSet<&str> = rows.iter().map(|row| row.field).collect();
    let missing = leaves.iter().filter(|leaf| !listed.contains(leaf.as_str()));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "effects.txt lacks {missing:#?}");
    let unknown = listed.iter().filter(|field| !leaves.contains(**field));
    let unknown: Vec<_> = unknown.collect();
    assert!(
        unknown.is_empty(),
        "effects.txt names no fields: {unknown:?}"
    );
}

#[test]
fn the_tests_of_what_fields_do_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut texts = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in rows() {
        let text = texts
            .entry(row.file)
            .or_insert_with(|| std::fs::read_to_string(root.join(row.file)).unwrap_or_default());
        let Row {
            field, file, test, ..
        } = row;
        match above(text, test) {
            None => wrong.push(format!("{field}: {file} has no {test}")),
            Some(above)
                if !["#[test]", "#[tokio::test"]
                    .iter()
                    .any(|it| above.contains(it)) =>
            {
                wrong.push(format!("{field}: {test} in {file} is no test"));
            }
            Some(_) if !text.contains(row.word) => {
                wrong.push(format!("{field}: {file} has no word of {}", row.word));
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
