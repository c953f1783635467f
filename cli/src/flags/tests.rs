// SPDX-License-Identifier: Apache-2.0
//! The table against the command line, the contract and the tests it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use prost_reflect::MessageDescriptor;

use super::*;
use crate::args::Cli;

/// Every flag of the table with its command.
fn all() -> impl Iterator<Item = (&'static Command, &'static Flag)> {
    COMMANDS
        .iter()
        .flat_map(|command| command.flags().map(move |flag| (command, flag)))
}

/// Every flag and word of a command and those below it, as the table names them.
fn collect(command: &clap::Command, path: &str, found: &mut BTreeSet<(String, String)>) {
    for argument in command.get_arguments() {
        let name = match argument.get_long() {
            Some("help" | "version") => continue,
            Some(long) => format!("--{long}"),
            None => argument.get_value_names().unwrap_or_default().join(" "),
        };
        found.insert((path.to_owned(), name));
    }
    for below in command.get_subcommands() {
        collect(below, format!("{path} {}", below.get_name()).trim(), found);
    }
}

#[test]
fn the_table_has_every_flag_and_no_other() {
    let mut there = BTreeSet::new();
    collect(&Cli::command(), "", &mut there);
    let rows: Vec<_> = all()
        .map(|(command, flag)| (command.on.to_owned(), flag.name.to_owned()))
        .collect();
    let table: BTreeSet<_> = rows.iter().cloned().collect();
    assert_eq!(table.len(), rows.len(), "a flag is in the table twice");
    let missing: Vec<_> = there.difference(&table).collect();
    let extra: Vec<_> = table.difference(&there).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing {missing:?}, extra {extra:?}"
    );
}

#[test]
fn the_fields_are_in_the_contract() {
    for (command, flag) in all() {
        let Sets::Fields(fields) = flag.sets else {
            continue;
        };
        for field in fields {
            let request = format!("skep.v1.{}", command.request);
            let mut message = skep_sdk::reflect::pool().get_message_by_name(&request);
            for step in field.split('.') {
                let inside = message.unwrap_or_else(|| panic!("{request} {field}: no {step}"));
                let found = inside.get_field_by_name(step);
                let found = found.unwrap_or_else(|| panic!("{request} has no {field}"));
                message = found.kind().as_message().cloned();
            }
        }
    }
}

/// Fields of a service that no flag sets: a file or the API does.
const WITHOUT_FLAG: [&str; 2] = [
    // Confinement is for those who write whole specs.
    "spec.template.container.security",
    // What `update --force` sets.
    "spec.template.restart_token",
];

/// Messages of a service whose fields have flags each, while none is for the whole.
const WHOLES: [&str; 11] = [
    "spec.endpoint",
    "spec.template",
    "spec.template.container",
    "spec.template.container.dns",
    "spec.template.limits",
    "spec.template.placement",
    "spec.template.reservations",
    "spec.template.restart",
    "spec.template.stop",
    "spec.update",
    "spec.rollback",
];

/// Fields that no update changes.
const FIXED: [&str; 4] = [
    "spec.name",
    "spec.replicated",
    "spec.every_node",
    "spec.template.process",
];

/// Paths below a message, as violations name them.
fn paths(message: &MessageDescriptor, prefix: &str, found: &mut Vec<String>) {
    for field in message.fields() {
        let path = format!("{prefix}.{}", field.name());
        found.push(path.clone());
        let inside = field.kind().as_message().cloned();
        let is_ours = |m: &MessageDescriptor| !m.is_map_entry() && m.package_name() == "skep.v1";
        if let Some(inside) = inside.filter(is_ours) {
            paths(&inside, &path, found);
        }
    }
}

/// Whatever the managers may say of a spec has its flag beside it.
#[test]
fn every_field_of_a_spec_has_a_flag() {
    let pool = skep_sdk::reflect::pool();
    let spec = pool.get_message_by_name("skep.v1.ServiceSpec").unwrap();
    let mut all = Vec::new();
    paths(&spec, "spec", &mut all);
    all.retain(|path| !WITHOUT_FLAG.iter().any(|whole| is_within(path, whole)));
    for path in &all {
        let is_whole = WHOLES.contains(&path.as_str());
        for command in ["service create", "service update"] {
            if command == "service update" && FIXED.contains(&path.as_str()) {
                continue;
            }
            let flag = flag_of(command, path);
            assert_eq!(flag.is_none(), is_whole, "{command} {path}: {flag:?}");
        }
    }
}

/// The names of all tests below a folder.
fn tests_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for (mark, line) in text.lines().zip(text.lines().skip(1)) {
                let is_test = ["#[test]", "#[tokio::test"]
                    .iter()
                    .any(|m| mark.trim().starts_with(m));
                let name = line.trim().trim_start_matches("async ").strip_prefix("fn ");
                if let (true, Some(name)) = (is_test, name) {
                    found.insert(name.split('(').next().unwrap_or_default().to_owned());
                }
            }
        }
    }
}

#[test]
fn the_tests_are_there() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for folder in ["src", "tests", "../sdk/rust/src"] {
        tests_in(&root.join(folder), &mut found);
    }
    let named = all().flat_map(|(_, flag)| flag.tests.iter().copied());
    let missing: BTreeSet<&str> = named.filter(|test| !found.contains(*test)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

#[test]
fn fields_find_their_flags() {
    for (path, flag) in [
        ("spec.name", Some("--name")),
        ("spec.template.limits.memory_bytes", Some("--limit-memory")),
        ("spec.endpoint.ports[3].published", Some("--publish")),
        ("spec.template.process.env[\"A\"]", Some("--env")),
        ("spec.template.process", Some("--process")),
        ("spec.template.process.command[0]", Some("IMAGE|COMMAND")),
        ("spec.template.health_check", Some("--health-cmd")),
        (
            "spec.template.health_check.http.port",
            Some("--health-http"),
        ),
        ("spec.template.log_driver", Some("--log-driver")),
        ("request_id", None),
    ] {
        assert_eq!(flag_of("service create", path), flag, "{path}");
    }
    assert_eq!(flag_of("ps", "spec.name"), None);
}

#[test]
fn the_page_is_written_from_the_table() {
    let mut page = String::from(
        "# The flags of `skep`\n\n\
         Each flag with the field of the contract that it sets, and the tests that show it. \
         Written from the table in\n`cli/src/flags/table.rs` by `UPDATE_GOLDEN=1 cargo test -p \
         skep-cli the_page`; tests hold the table against the\ncommand line and the \
         contract. What Docker has beyond these is refused by name:\n\
         see `cli/src/refusals/table.rs`.\n",
    );
    for command in COMMANDS {
        let name = format!("skep {}", command.on);
        page.push_str(&format!("\n## `{}`\n\n", name.trim()));
        if !command.request.is_empty() {
            page.push_str(&format!("Fields are those of `{}`.\n\n", command.request));
        }
        page.push_str("| flag | sets | tests |\n|---|---|---|\n");
        for flag in command.flags() {
            let sets = match flag.sets {
                Sets::Fields(fields) => fields.iter().map(|field| format!("`{field}`")).collect(),
                Sets::Here(what) => vec![what.to_owned()],
            };
            let name = flag.name.replace('|', "\\|");
            page.push_str(&format!(
                "| `{name}` | {} | `{}` |\n",
                sets.join(", "),
                flag.tests.join("`, `")
            ));
        }
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/cli-flags.md");
    crate::golden::check_file(&path, &page);
}
