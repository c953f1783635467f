// SPDX-License-Identifier: Apache-2.0
//! Amounts: bytes as `512m` and `1GiB`, CPUs as `0.5`, counts.

const KIB: u64 = 1_024;

/// Reads an amount of memory. `b`, `k`, `m`, `g`, `t` and `p` are powers of 1,024, as in Docker,
/// also when written `kb` or `KiB`; a bare number is bytes.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let bad = || "expected an amount such as 512m or 1.5g (b, k, m, g, t, p)".to_owned();
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start().to_ascii_lowercase();
    let power = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit)
    {
        "" if unit != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(bad()),
    };
    let factor = KIB.pow(power);
    if let Ok(whole) = number.parse::<u64>() {
        return whole
            .checked_mul(factor)
            .ok_or_else(|| "the amount is too large".to_owned());
    }
    let value: f64 = number.parse().map_err(|_| bad())?;
    let bytes = value * factor as f64;
    if bytes >= u64::MAX as f64 {
        return Err("the amount is too large".to_owned());
    }
    Ok(bytes as u64)
}

/// Reads a number of CPUs such as `1.5` and gives thousandths of one.
pub(crate) fn parse_cpus(text: &str) -> Result<u32, String> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(part) || (whole.is_empty() && part.is_empty()) {
        return Err("expected a number of CPUs, such as 0.5 or 2".to_owned());
    }
    let part = part.trim_end_matches('0');
    if part.len() > 3 {
        return Err("thousandths of a CPU are the finest there are, such as 0.001".to_owned());
    }
    let whole: u32 = if whole.is_empty() {
        Ok(0)
    } else {
        whole.parse()
    }
    .map_err(|_| "the number of CPUs is too large".to_owned())?;
    let part: u32 = format!("{part:0<3}").parse().unwrap_or(0);
    whole
        .checked_mul(1_000)
        .and_then(|millis| millis.checked_add(part))
        .ok_or_else(|| "the number of CPUs is too large".to_owned())
}

/// Reads a count: a whole number, not negative.
pub(crate) fn parse_count(text: &str) -> Result<u32, String> {
    let text = text.trim();
    text.parse::<u32>().map_err(|_| {
        if text.starts_with('-') {
            "must not be negative".to_owned()
        } else {
            format!("expected a whole number from 0 to {}", u32::MAX)
        }
    })
}

/// A part of a whole, `0` to `1`, as whole percent.
pub(crate) fn parse_ratio(text: &str) -> Result<u32, String> {
    let bad = || format!("{text:?}: expected whole percents as a number from 0 to 1, such as 0.25");
    let ratio: f64 = text.trim().parse().map_err(|_| bad())?;
    if !(0.0..=1.0).contains(&ratio) {
        return Err(bad());
    }
    let percent = (ratio * 100.0).round();
    // A part of a percent would be lost; what is left of 0.29 * 100 is none.
    if (ratio * 100.0 - percent).abs() > 1e-6 {
        return Err(bad());
    }
    // Within 0 to 100.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok(percent as u32)
}

/// Writes thousandths of a CPU: `1500` is `1.5`.
pub(crate) fn format_cpus(millis: u32) -> String {
    let text = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Writes bytes with four significant digits, as Docker does: `23.54GiB`, `64MiB`.
pub(crate) fn format_bytes(bytes: u64) -> String {
    const NAMES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = bytes as f64;
    let mut name = 0;
    while value >= KIB as f64 && name + 1 < NAMES.len() {
        value /= KIB as f64;
        name += 1;
    }
    let decimals = match value {
        v if v >= 1_000.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let text = if decimals > 0 {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{}", NAMES[name])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_whole_percents() {
        for (text, percent) in [("0", 0), ("0.29", 29), ("0.07", 7), ("1", 100), (".5", 50)] {
            assert_eq!(parse_ratio(text), Ok(percent), "{text}");
        }
        for text in ["0.004", "0.255", "25", "-0.1", "half"] {
            let error = parse_ratio(text).unwrap_err();
            assert!(error.contains("whole percents"), "{error}");
        }
    }

    #[test]
    fn reads_bytes_in_powers_of_1024() {
        let cases = [
            ("0", 0),
            ("1048576", 1 << 20),
            ("64m", 64 << 20),
            ("64MB", 64 << 20),
            ("64 MiB", 64 << 20),
            ("1.5g", 3 << 29),
            ("10b", 10),
            ("2T", 2 << 40),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "m", "64q", "-1", "1..2", "ib", "1ib"] {
            assert!(
                parse_bytes(text)
                    .unwrap_err()
                    .starts_with("expected an amount"),
                "{text}"
            );
        }
        assert_eq!(
            parse_bytes("99999999999p").unwrap_err(),
            "the amount is too large"
        );
    }

    #[test]
    fn reads_and_writes_cpus() {
        for (text, millis, written) in [
            ("0.5", 500, "0.5"),
            ("2", 2_000, "2"),
            (".25", 250, "0.25"),
            ("1.50", 1_500, "1.5"),
        ] {
            assert_eq!(parse_cpus(text), Ok(millis));
            assert_eq!(format_cpus(millis), written);
        }
        assert!(parse_cpus("0.0001").unwrap_err().starts_with("thousandths"));
        assert!(parse_cpus("5000000").unwrap_err().contains("too large"));
        for text in ["", "two", "-1", "1.2.3"] {
            assert!(
                parse_cpus(text).unwrap_err().starts_with("expected"),
                "{text}"
            );
        }
    }

    #[test]
    fn writes_bytes_in_four_digits() {
        let cases = [
            (0, "0B"),
            (512, "512B"),
            (64 << 20, "64MiB"),
            (25_279_627_264, "23.54GiB"),
            (1_023 << 20, "1023MiB"),
            (1_536, "1.5KiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(format_bytes(bytes), text);
        }
    }

    #[test]
    fn refuses_negative_counts() {
        assert_eq!(parse_count("3"), Ok(3));
        assert_eq!(parse_count("-1").unwrap_err(), "must not be negative");
        assert!(
            parse_count("abc")
                .unwrap_err()
                .starts_with("expected a whole number")
        );
    }
}
