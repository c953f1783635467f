// SPDX-License-Identifier: Apache-2.0
//! What we build upon may be given away under Apache-2.0.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::Problem;

/// Licences that ask for no more than a notice; and the MPL, which asks for the source of its own
/// files, unchanged here, and of nothing beside them.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "MPL-2.0+",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

/// Dependencies in `Cargo.lock` under other licences, or under none that they name.
///
/// # Errors
/// If cargo cannot say what they are.
pub(super) fn check(root: &Path) -> Result<Vec<Problem>> {
    let told = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    ensure!(
        told.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&told.stderr)
    );
    let metadata: Metadata = serde_json::from_slice(&told.stdout).context("cargo metadata")?;
    Ok(metadata.packages.iter().filter_map(problem).collect())
}

fn problem(package: &Package) -> Option<Problem> {
    let license = package.license.as_deref().unwrap_or("nothing");
    let text = format!(
        "{} {} is under {license}: choose another, or argue for it in xtask/src/tidy/licences.rs",
        package.name, package.version
    );
    (!is_allowed(license)).then(|| Problem::new("Cargo.lock", 0, text))
}

/// Whether one of the alternatives of an SPDX expression is allowed. "/" is an old way to write
/// OR. Of nested expressions only "(A OR B) AND C" is understood, by asking for all of it.
fn is_allowed(expression: &str) -> bool {
    if expression.contains('(') {
        let plain = expression.replace(['(', ')'], " ").replace(" AND ", " OR ");
        return alternatives(&plain).all(is_allowed);
    }
    alternatives(expression).any(|one| {
        one.split(" AND ")
            .all(|part| ALLOWED.contains(&part.trim()))
    })
}

fn alternatives(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(" OR ")
        .flat_map(|part| part.split('/'))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn an_alternative_is_enough_and_a_conjunction_needs_all() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "Apache-2.0 AND ISC",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "nothing",
            "(MIT OR GPL-3.0) AND ISC",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
