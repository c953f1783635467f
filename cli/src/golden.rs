// SPDX-License-Identifier: Apache-2.0
//! Expected texts in files: `cli/tests/golden/`. With `UPDATE_GOLDEN=1` a test writes its file
//! in place of comparing; look at the difference before you commit it.

use std::path::PathBuf;

/// Compares a text with the golden file of a name.
pub(crate) fn check(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    check_file(&path, text);
}

/// Compares a text with a file anywhere in the repository.
pub(crate) fn check_file(path: &std::path::Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs; UPDATE_GOLDEN=1 writes it anew\n--- expected\n{expected}\n--- found\n{text}",
        path.display()
    );
}
