// SPDX-License-Identifier: Apache-2.0
//! Points in time: `--since 10m` or `--since 2026-11-23T09:00:00Z`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::duration::parse_duration;

/// Reads a point in time: a span before `now`, such as `10m`; an RFC 3339 time, where the zone
/// (UTC) and the time of day (midnight) may be left out; or seconds since 1970.
pub(crate) fn parse_when(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    if let Ok(span) = parse_duration(text) {
        return now
            .checked_sub(span)
            .ok_or_else(|| "that is before all time".to_owned());
    }
    if let Some(time) = parse_unix(text).or_else(|| parse_rfc3339(text)) {
        return Ok(time);
    }
    Err(
        "expected a span such as 10m, a time such as 2026-11-23T09:00:00Z, or seconds since 1970"
            .to_owned(),
    )
}

/// `1700000000` or `1700000000.25`.
fn parse_unix(text: &str) -> Option<SystemTime> {
    let (seconds, part) = text.split_once('.').unwrap_or((text, "0"));
    let span = Duration::new(seconds.parse().ok()?, nanos_of(part)?);
    UNIX_EPOCH.checked_add(span)
}

/// The digits behind a decimal point as nanoseconds.
fn nanos_of(part: &str) -> Option<u32> {
    if part.is_empty() || part.len() > 9 || !part.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    format!("{part:0<9}").parse().ok()
}

/// `2026-11-23`, `2026-11-23T09:00`, `2026-11-23T09:00:00.5+01:00` and what lies between.
fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    let (date, clock) = match text.split_once(['T', 't', ' ']) {
        Some((date, clock)) => (date, clock),
        None => (text, "00:00:00Z"),
    };
    let mut parts = date.splitn(3, '-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1_970..10_000).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    if day < 1 || day > days_in(year, month) {
        return None;
    }
    let (clock, zone) = split_zone(clock)?;
    let (clock, part) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.splitn(3, ':').map(number);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_before(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = u64::try_from(seconds - zone).ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos_of(part)?))
}

fn number(text: &str) -> Option<i64> {
    text.bytes()
        .all(|c| c.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// Cuts the zone off a time of day and gives its offset in seconds; none is UTC.
fn split_zone(clock: &str) -> Option<(&str, i64)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = clock.rfind(['+', '-']) else {
        return Some((clock, 0));
    };
    let (hours, minutes) = clock[at + 1..].split_once(':')?;
    let offset = number(hours)? * 3_600 + number(minutes)? * 60;
    Some((
        &clock[..at],
        if clock[at..].starts_with('-') {
            -offset
        } else {
            offset
        },
    ))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let years = (year - 1_970) * 365 + leaps(year - 1) - leaps(1_969);
    years + (1..month).map(|month| days_in(year, month)).sum::<i64>() + day - 1
}

/// Writes a point in time in UTC with nanoseconds, as Docker's logs do:
/// `2026-11-23T09:00:00.000000001Z`.
pub(crate) fn format_rfc3339(seconds: i64, nanos: i32) -> String {
    let (mut days, clock) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let mut year = 1_970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < 0 {
            year -= 1;
            days += if is_leap(year) { 366 } else { 365 };
        } else if days >= length {
            days -= length;
            year += 1;
        } else {
            break;
        }
    }
    let mut month = 1;
    while days >= days_in(year, month) {
        days -= days_in(year, month);
        month += 1;
    }
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    format!(
        "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z",
        days + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> f64 {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        parse_when(text, now)
            .unwrap()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64()
    }

    #[test]
    fn reads_points_in_time() {
        assert_eq!(seconds("10m"), 400.0);
        assert_eq!(seconds("1700000000"), 1_700_000_000.0);
        assert_eq!(seconds("1700000000.25"), 1_700_000_000.25);
        assert_eq!(seconds("2026-11-23T09:00:00Z"), 1_795_424_400.0);
        assert_eq!(seconds("2026-11-23T10:00:00.5+01:00"), 1_795_424_400.5);
        assert_eq!(seconds("2026-11-23"), 1_795_392_000.0);
        assert_eq!(seconds("2024-02-29T00:00"), 1_709_164_800.0);
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2023-02-29",
            "2026-11-23T25:00",
            "20h ago",
        ] {
            let error = parse_when(text, UNIX_EPOCH).unwrap_err();
            assert!(error.starts_with("expected a span"), "{text}: {error}");
        }
        assert_eq!(
            parse_when("1s", UNIX_EPOCH + Duration::from_secs(1)),
            Ok(UNIX_EPOCH)
        );
    }

    #[test]
    fn writes_times_in_utc() {
        assert_eq!(
            format_rfc3339(1_795_424_400, 5),
            "2026-11-23T09:00:00.000000005Z"
        );
        assert_eq!(
            format_rfc3339(1_709_164_800, 0),
            "2024-02-29T00:00:00.000000000Z"
        );
        assert_eq!(format_rfc3339(0, 0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(format_rfc3339(-1, 0), "1969-12-31T23:59:59.000000000Z");
    }
}
