// SPDX-License-Identifier: Apache-2.0
//! Medians and percentiles.

use std::fmt;
use std::time::Duration;

/// How long things took.
#[derive(Clone, Default, Debug)]
pub(crate) struct Latencies {
    micros: Vec<u32>,
}

impl Latencies {
    /// Adds one.
    pub(crate) fn add(&mut self, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self.micros.push(micros);
    }

    /// Adds all of another's.
    pub(crate) fn merge(&mut self, other: Latencies) {
        self.micros.extend(other.micros);
    }

    /// The time that this part of them did not exceed, in milliseconds.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let place = (last as f64 * part).round() as usize;
        sorted.get(place).map_or(0.0, |us| f64::from(*us) / 1e3)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99) = (self.percentile(0.5), self.percentile(0.99));
        write!(f, "p50 {p50:.2} ms, p99 {p99:.1} ms")
    }
}

/// The least and the median of some figures; nothing of none.
pub(crate) fn least_and_median(figures: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        *sorted.get(middle)?
    } else {
        (sorted.get(middle.checked_sub(1)?)? + sorted.get(middle)?) / 2.0
    };
    Some((*sorted.first()?, median))
}

/// The median; 0 of nothing.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let figures: Vec<f64> = figures.into_iter().collect();
    least_and_median(&figures).map_or(0.0, |(_, median)| median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_few() {
        assert_eq!(least_and_median(&[]), None);
        assert_eq!(least_and_median(&[3.0]), Some((3.0, 3.0)));
        assert_eq!(least_and_median(&[5.0, 1.0]), Some((1.0, 3.0)));
        assert_eq!(least_and_median(&[9.0, 1.0, 2.0]), Some((1.0, 2.0)));
    }

    #[test]
    fn percentiles_of_a_hundred() {
        let mut latencies = Latencies::default();
        (1..=101).for_each(|ms| latencies.add(Duration::from_millis(ms)));
        assert_eq!(latencies.percentile(0.5), 51.0);
        assert_eq!(latencies.percentile(0.99), 100.0);
        assert_eq!(latencies.to_string(), "p50 51.00 ms, p99 100.0 ms");
        assert_eq!(Latencies::default().percentile(0.5), 0.0);
    }
}
