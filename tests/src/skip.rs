// SPDX-License-Identifier: Apache-2.0
//! Tests that this machine cannot run, said so rather than passed over.

use std::fs::OpenOptions;
use std::io::Write;

/// Records that `part` is not tested on this machine, and `why`, such as `skip("limits", "no
/// cgroup")`; the test then returns. `make test` counts these at its end.
///
/// # Panics
/// With `CI=true`, where everything has to be tested.
pub fn skip(part: &str, why: &str) {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(
        !ci,
        "{part} cannot be tested here ({why}), and in CI nothing may be skipped"
    );
    let line = format!("{part} ({why})\n");
    eprint!("SKIPPED {line}");
    let Some(path) = std::env::var_os("SKEP_SKIPS") else {
        return;
    };
    // One write of a short line: tests that run at the same time do not mix theirs.
    let written = OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
