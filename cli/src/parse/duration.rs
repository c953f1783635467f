// SPDX-License-Identifier: Apache-2.0
//! Spans of time as Docker and Go write them: `10s`, `1m30s`, `500ms`, `1.5h`.

use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The units, longest name first where one begins another, with their length in nanoseconds.
const UNITS: [(&str, u128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("h", 3_600 * NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("s", NANOS_PER_SECOND),
];

/// Reads a span such as `1m30s`. Only `0` may stand without a unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err("a span of time cannot be negative".to_owned());
    }
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0u128;
    loop {
        let (part, after) = take_part(rest)?;
        nanos = nanos.checked_add(part).ok_or_else(too_long)?;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let seconds = u64::try_from(nanos / NANOS_PER_SECOND).map_err(|_| too_long())?;
    let below = u32::try_from(nanos % NANOS_PER_SECOND).map_err(|_| too_long())?;
    Ok(Duration::new(seconds, below))
}

/// One number with its unit from the front of `text`, in nanoseconds, and what follows it.
fn take_part(text: &str) -> Result<(u128, &str), String> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    if number.is_empty() {
        return Err("expected a number with a unit, such as 10s or 1m30s".to_owned());
    }
    let Some((unit, nanos)) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit)) else {
        return Err(format!(
            "{number} needs a unit, such as {number}s (ns, us, ms, s, m, h)"
        ));
    };
    let value = scale(number, *nanos)?;
    Ok((value, &rest[unit.len()..]))
}

/// A decimal number times `unit`, cut to whole nanoseconds.
fn scale(number: &str, unit: u128) -> Result<u128, String> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let bad = || format!("{number} is not a number");
    if part.contains('.') || (whole.is_empty() && part.is_empty()) {
        return Err(bad());
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().map_err(|_| bad())?
    };
    let mut value = u128::from(whole).checked_mul(unit).ok_or_else(too_long)?;
    let mut place = unit;
    for digit in part.bytes() {
        place /= 10;
        value += u128::from(digit - b'0') * place;
    }
    Ok(value)
}

fn too_long() -> String {
    "the span of time is too long".to_owned()
}

/// Writes a span as Go does: `1h0m0s`, `1m30s`, `2.5s`, `500ms`.
pub(crate) fn format_duration(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds == 0 {
        return match span.subsec_nanos() {
            0 => "0s".to_owned(),
            nanos if nanos < 1_000 => format!("{nanos}ns"),
            nanos if nanos < 1_000_000 => format!("{}µs", decimal(nanos.into(), 1_000)),
            nanos => format!("{}ms", decimal(nanos.into(), 1_000_000)),
        };
    }
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let last = u128::from(seconds % 60) * NANOS_PER_SECOND + u128::from(span.subsec_nanos());
    let last = decimal(last, NANOS_PER_SECOND);
    match (hours, minutes) {
        (0, 0) => format!("{last}s"),
        (0, _) => format!("{minutes}m{last}s"),
        _ => format!("{hours}h{minutes}m{last}s"),
    }
}

/// `value / unit` with the decimals it needs and no more. `unit` is a power of ten.
fn decimal(value: u128, unit: u128) -> String {
    let (whole, part) = (value / unit, value % unit);
    if part == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    format!(
        "{whole}.{}",
        format!("{part:0digits$}").trim_end_matches('0')
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_durations() {
        let cases = [
            ("10s", 10_000_000_000, "10s"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("90m", 5_400_000_000_000, "1h30m0s"),
            ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("500ms", 500_000_000, "500ms"),
            ("2.5s", 2_500_000_000, "2.5s"),
            ("1us", 1_000, "1µs"),
            ("1500ns", 1_500, "1.5µs"),
            (".5s", 500_000_000, "500ms"),
            ("0", 0, "0s"),
        ];
        for (text, nanos, written) in cases {
            let span = parse_duration(text).unwrap();
            assert_eq!(span.as_nanos(), nanos, "{text}");
            assert_eq!(format_duration(span), written);
        }
    }

    #[test]
    fn refuses_durations_without_unit_or_sense() {
        let cases = [
            ("10", "10 needs a unit, such as 10s (ns, us, ms, s, m, h)"),
            ("-1s", "a span of time cannot be negative"),
            ("", "expected a number with a unit, such as 10s or 1m30s"),
            (
                "soon",
                "expected a number with a unit, such as 10s or 1m30s",
            ),
            ("1.2.3s", "1.2.3 is not a number"),
            ("99999999999999999h", "the span of time is too long"),
        ];
        for (text, message) in cases {
            assert_eq!(parse_duration(text).unwrap_err(), message, "{text}");
        }
    }
}
