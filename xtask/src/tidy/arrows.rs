// SPDX-License-Identifier: Apache-2.0
//! One-way doors: which crate may use which, read from the manifests.

use anyhow::{Context, Result};
use toml::Table;

use super::Problem;
use super::tree::{File, Tree};

/// Each crate of ours, and those of ours that it may use. `["*"]`: all.
const ARROWS: [(&str, &[&str]); 20] = [
    ("skep-core", &[]),
    ("skep-proto", &[]),
    ("skep-wire", &["skep-core", "skep-proto"]),
    ("skep-store", &["skep-core", "skep-wire"]),
    ("skep-network", &["skep-core", "skep-wire"]),
    // Both speak gRPC, so they carry messages and implement the generated services; what a
    // message means is said by skep-wire alone.
    (
        "skep-manager",
        &["skep-core", "skep-wire", "skep-store", "skep-proto"],
    ),
    (
        "skep-agent",
        &["skep-core", "skep-wire", "skep-network", "skep-proto"],
    ),
    ("skep-docker", &["skep-core", "skep-agent"]),
    ("skep-gateway", &["skep-manager", "skep-proto"]),
    ("skep-server", &["*"]),
    ("skep-sdk", &["skep-proto"]),
    ("skep-cli", &["skep-sdk"]),
    ("skep-hello", &[]),
    // As the driver below: what every user has.
    ("skep-examples", &["skep-sdk"]),
    ("skep-tests", &["*"]),
    ("skep-conformance", &["skep-tests", "skep-proto"]),
    // It may use nothing but what every user of the SDK has.
    ("skep-conformance-driver", &["skep-sdk"]),
    ("skep-bench", &["*"]),
    ("skep-bench-sdks", &["skep-sdk"]),
    ("xtask", &[]),
];

/// The only crates of others that the pure core may use.
const CORE_MAY_USE: [&str; 1] = ["imbl"];

/// Dependencies that go the wrong way.
pub(super) fn check(tree: &Tree) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for file in tree.files.iter().filter(|file| file.name() == "Cargo.toml") {
        let manifest: Table = toml::from_str(&file.text).with_context(|| file.path.clone())?;
        if manifest.contains_key("package") {
            problems.extend(check_crate(tree, file, &manifest)?);
        }
    }
    Ok(problems)
}

fn check_crate(tree: &Tree, file: &File, manifest: &Table) -> Result<Vec<Problem>> {
    let name = manifest["package"]
        .get("name")
        .and_then(toml::Value::as_str)
        .with_context(|| format!("{}: a package without a name", file.path))?;
    let mut texts = Vec::new();
    match ARROWS.iter().find(|(known, _)| *known == name) {
        None => texts.push(format!(
            "{name} is new: give it its place in xtask/src/tidy/arrows.rs"
        )),
        Some((_, may_use)) => {
            for used in dependencies(manifest) {
                texts.extend(refusal(name, may_use, &used));
            }
        }
    }
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    if lints.and_then(toml::Value::as_bool) != Some(true) {
        texts.push("needs [lints] workspace = true".to_owned());
    }
    let folder = file.path.trim_end_matches("Cargo.toml");
    let tests = test_binaries(tree, folder);
    if tests > 1 {
        texts.push(format!(
            "{tests} test binaries: one is enough and links faster"
        ));
    }
    Ok(texts
        .into_iter()
        .map(|text| Problem::new(&file.path, 0, text))
        .collect())
}

/// One crate that a manifest names.
struct Dependency {
    name: String,
    /// Wanted by tests alone.
    dev: bool,
    /// Whether it asks for the protocols between our own daemons.
    internal: bool,
}

/// All of a manifest's dependencies, those for some targets only included.
fn dependencies(manifest: &Table) -> Vec<Dependency> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(|all| all.values())
        .filter_map(|t| t.as_table());
    let mut found = Vec::new();
    for table in std::iter::once(manifest).chain(targets) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = table.get(kind).and_then(toml::Value::as_table);
            for (name, entry) in entries.into_iter().flatten() {
                let features = entry.get("features").and_then(toml::Value::as_array);
                let internal = features
                    .into_iter()
                    .flatten()
                    .any(|f| f.as_str() == Some("internal"));
                let dev = kind == "dev-dependencies";
                found.push(Dependency {
                    name: name.clone(),
                    dev,
                    internal,
                });
            }
        }
    }
    found
}

/// Why crate `name` must not use `used`, if so.
fn refusal(name: &str, may_use: &[&str], used: &Dependency) -> Option<String> {
    let ours = ARROWS.iter().any(|(known, _)| *known == used.name);
    if ours && !may_use.contains(&"*") && !may_use.contains(&used.name.as_str()) {
        return Some(format!(
            "{name} must not use {}: a type both need belongs in skep-core",
            used.name
        ));
    }
    if name == "skep-core" && !ours && !used.dev && !CORE_MAY_USE.contains(&used.name.as_str()) {
        return Some(format!("the pure core must not use {}", used.name));
    }
    if name == "skep-sdk" && used.internal {
        return Some("an SDK must not know the protocols between our daemons".to_owned());
    }
    None
}

/// How many programs of tests lie in the crate at `folder`.
fn test_binaries(tree: &Tree, folder: &str) -> usize {
    let tests = format!("{folder}tests/");
    let inside = tree
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix(&tests));
    inside
        .filter(|path| path.ends_with(".rs"))
        .filter(|path| match path.split_once('/') {
            None => true,
            Some((_, rest)) => rest == "main.rs",
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, rest: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{rest}");
        let tree = Tree::of(&[("x/Cargo.toml", &text)]);
        let found = check(&tree).expect("well formed");
        found.into_iter().map(|problem| problem.text).collect()
    }

    #[test]
    fn doors_open_one_way() {
        let none: [&str; 0] = [];
        assert_eq!(
            problems("skep-wire", "[dependencies]\nskep-core.workspace = true"),
            none
        );
        assert_eq!(problems("skep-core", "[dependencies]\nimbl = \"7\""), none);
        assert_eq!(
            problems("skep-core", "[dev-dependencies]\nproptest = \"1\""),
            none
        );
        assert_eq!(
            problems("skep-server", "[dependencies]\nskep-store = \"1\""),
            none
        );
        for (name, rest, word) in [
            (
                "skep-core",
                "[dependencies]\nskep-wire = \"1\"",
                "skep-wire",
            ),
            ("skep-core", "[dependencies]\ntokio = \"1\"", "tokio"),
            (
                "skep-agent",
                "[dev-dependencies]\nskep-store = \"1\"",
                "skep-store",
            ),
            (
                "skep-cli",
                "[target.'cfg(unix)'.dependencies]\nskep-proto = \"1\"",
                "skep-proto",
            ),
            (
                "skep-sdk",
                "[dependencies]\nskep-proto = { features = [\"internal\"] }",
                "SDK",
            ),
            ("skep-new", "", "skep-new is new"),
        ] {
            let found = problems(name, rest);
            assert!(
                found.len() == 1 && found[0].contains(word),
                "{name} {rest}: {found:?}"
            );
        }
    }

    #[test]
    fn every_crate_takes_the_lints_and_one_test_binary() {
        let tree = Tree::of(&[
            ("x/Cargo.toml", "[package]\nname = \"xtask\""),
            ("x/tests/a.rs", ""),
            ("x/tests/b/main.rs", ""),
            ("x/tests/c/part.rs", ""),
        ]);
        let found = check(&tree).expect("well formed");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].text.contains("[lints]") && found[1].text.starts_with("2 test binaries"));
    }
}
