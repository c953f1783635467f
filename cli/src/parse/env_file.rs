// SPDX-License-Identifier: Apache-2.0
//! `--env-file`: one variable a line, in Docker's form.

use super::pair::{EnvFlag, parse_env};

/// Reads the lines of an environment file. Empty lines and lines that begin with `#` are left
/// out; values are taken as they stand, quotes included.
pub(crate) fn parse_env_file(text: &str) -> Result<Vec<EnvFlag>, String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let variable = parse_env(line).map_err(|cause| format!("line {}: {cause}", number + 1))?;
        if variable.key.contains(char::is_whitespace) {
            return Err(format!(
                "line {}: the name {:?} has a blank",
                number + 1,
                variable.key
            ));
        }
        found.push(variable);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_env_files() {
        let found = parse_env_file("# a\n\nA=1\n  B=\"x y\"\nHOME\n").unwrap();
        let pairs: Vec<_> = found
            .iter()
            .map(|v| (v.key.as_str(), v.value.as_deref()))
            .collect();
        assert_eq!(
            pairs,
            [("A", Some("1")), ("B", Some("\"x y\"")), ("HOME", None)]
        );
        assert!(
            parse_env_file("A=1\n=2")
                .unwrap_err()
                .starts_with("line 2: expected KEY=VALUE")
        );
        assert_eq!(
            parse_env_file("A B=2").unwrap_err(),
            "line 1: the name \"A B\" has a blank"
        );
    }
}
