// SPDX-License-Identifier: Apache-2.0
//! The one wording of limits, so that a program can find them and people meet no synonyms.

use prost_reflect::{FieldDescriptor, Kind};

/// The canonical codes an error may have.
pub(crate) const CODES: [&str; 14] = [
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// What no field is called, less "type": Rust writes it r#type and the others take it.
pub(crate) const KEYWORDS: &str = "
    as async await break const continue crate dyn else enum extern false fn for gen if impl in let
    loop match mod move mut pub ref return self static struct super trait true unsafe use where
    while abstract become box do final macro override priv try typeof unsized virtual yield
    chan default defer fallthrough func go goto import interface map package range select switch
    var
    False None True and assert class def del elif except finally from global is lambda nonlocal
    not or pass raise with
    any boolean case catch constructor debugger declare delete export extends function get
    implements instanceof module new null number of private protected public require set string
    symbol this throw undefined void";

/// Whether it is clear what holds if nothing is given.
pub(crate) fn says_what_unset_means(comment: &str) -> bool {
    comment.contains("Required.") || comment.contains("unset: ") || comment.contains("unset or 0: ")
}

/// Checks that the comment of a field that clients fill in says its limit.
///
/// # Errors
/// The words that are missing.
pub(crate) fn limit(field: &FieldDescriptor, comment: &str) -> Result<(), &'static str> {
    if comment.contains("Output only.") {
        return Err("not \"Output only.\": clients fill it in");
    }
    if field.is_list() || field.is_map() {
        return many(field, comment);
    }
    if field.supports_presence()
        && field
            .containing_oneof()
            .is_none_or(|oneof| oneof.is_synthetic())
        && !says_what_unset_means(comment)
    {
        return Err("\"Required.\" or \"unset:\"");
    }
    one(field, comment)
}

fn many(field: &FieldDescriptor, comment: &str) -> Result<(), &'static str> {
    if !comment.contains(" entries") || !has_bound(comment) {
        return Err("\"At most 64 entries.\" or \"1 to 64 entries.\"");
    }
    if comment.contains("see Labels in types.proto") {
        return Ok(());
    }
    if field.is_map() && !comment.contains("keys 1 to ") {
        return Err("\"keys 1 to 64 characters\"");
    }
    if field.is_list() && field.kind() == Kind::String {
        let each = comment.split("each ").nth(1);
        if !each.is_some_and(|rest| has_bound(rest) && rest.contains("characters")) {
            return Err("\"each 1 to 64 characters\"");
        }
    }
    Ok(())
}

fn one(field: &FieldDescriptor, comment: &str) -> Result<(), &'static str> {
    match field.kind() {
        Kind::Bool => Ok(()),
        Kind::String if comment.contains("characters") && has_bound(comment) => Ok(()),
        Kind::String => Err("\"At most 64 characters\" or \"1 to 64 characters\""),
        Kind::Enum(_) if says_what_unset_means(comment) => Ok(()),
        Kind::Enum(_) => Err("\"Required.\" or \"unset:\""),
        Kind::Message(inner) if inner.full_name() == "google.protobuf.Duration" => {
            let seconds = has_bound(comment) && comment.contains(" s");
            seconds.then_some(()).ok_or("\"0 to 86,400 s\"")
        }
        Kind::Message(inner) if inner.full_name() == "google.protobuf.FieldMask" => {
            let bound = has_bound(comment) && comment.contains(" entries");
            bound.then_some(()).ok_or("\"At most 64 entries\"")
        }
        Kind::Message(_) => Ok(()),
        Kind::Bytes if comment.contains(" bytes") && has_bound(comment) => Ok(()),
        Kind::Bytes => Err("\"1 to 512,000 bytes\""),
        _ if has_bound(comment) || comment.contains("; 0: ") => Ok(()),
        _ => Err("\"0 to 100\", or what 0 means"),
    }
}

/// Whether there is "3 to 5", "At most 5" or "-1 and more".
fn has_bound(comment: &str) -> bool {
    let words: Vec<&str> = comment.split_whitespace().collect();
    let number = |word: &str| {
        word.trim_start_matches('-')
            .starts_with(|c: char| c.is_ascii_digit())
    };
    words.windows(3).any(|three| match three {
        [low, "to", high] => number(low) && number(high),
        ["At" | "at", "most", high] => number(high),
        [low, "and", more] => number(low) && more.starts_with("more"),
        _ => false,
    })
}

#[test]
fn bounds_are_found_in_the_agreed_words_only() {
    for good in [
        "At most 64 entries.",
        "Text. 1 to 64 characters.",
        "-1 and more; -1: none.",
    ] {
        assert!(has_bound(good), "{good}");
    }
    for bad in ["Up to 64 entries.", "Max. 64.", "From a to b.", ""] {
        assert!(!has_bound(bad), "{bad}");
    }
}
