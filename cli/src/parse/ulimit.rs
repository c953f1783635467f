// SPDX-License-Identifier: Apache-2.0
//! Kernel limits: `nofile=1024:4096`, or `nofile=1024` for both.

use skep_sdk::v1::Ulimit;

/// Reads one `--ulimit`. Which names there are is for the managers to say.
pub(crate) fn parse_ulimit(text: &str) -> Result<(String, Ulimit), String> {
    let expected = || "expected NAME=SOFT[:HARD], such as nofile=1024:4096 (-1: none)".to_owned();
    let (name, limits) = text.split_once('=').ok_or_else(expected)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| expected());
    if name.trim().is_empty() {
        return Err(expected());
    }
    Ok((
        name.trim().to_owned(),
        Ulimit {
            soft: number(soft)?,
            hard: number(hard)?,
        },
    ))
}

/// Writes a limit as it is read.
pub(crate) fn format_ulimit(name: &str, limit: &Ulimit) -> String {
    format!("{name}={}:{}", limit.soft, limit.hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ulimits() {
        for (text, written) in [
            ("nofile=1024:4096", "nofile=1024:4096"),
            ("nproc=64", "nproc=64:64"),
            ("core=0:-1", "core=0:-1"),
        ] {
            let (name, limit) = parse_ulimit(text).unwrap();
            assert_eq!(format_ulimit(&name, &limit), written);
        }
        for text in ["nofile", "nofile=many", "=1", "nofile=1:2:3"] {
            assert!(
                parse_ulimit(text)
                    .unwrap_err()
                    .starts_with("expected NAME="),
                "{text}"
            );
        }
    }
}
