// SPDX-License-Identifier: Apache-2.0
//! Rounds of peer, skep, peer: what the machine does meanwhile falls on both sides.

use anyhow::{Context, Result};

use crate::rows::{Better, Peer, Row, Sample, Setup, Side, Target};
use crate::stats::{least_and_median, median};

/// A row and everything that was measured of it.
#[derive(Debug)]
pub(crate) struct Measured {
    /// The row.
    pub(crate) row: Row,
    /// The peer, twice a round.
    pub(crate) peer: Vec<Sample>,
    /// skep, once a round.
    pub(crate) skep: Vec<Sample>,
    /// How many times as good as the peer skep was, of each round.
    pub(crate) ratios: Vec<f64>,
}

/// Measures a row.
///
/// # Errors
/// If a program fails.
pub(crate) async fn run(row: Row, rounds: u32, setup: &Setup) -> Result<Measured> {
    let mut measured = Measured {
        row,
        peer: Vec::new(),
        skep: Vec::new(),
        ratios: Vec::new(),
    };
    for round in 1..=rounds {
        let at = || format!("{}, round {round}", row.name);
        if row.peer == Peer::None {
            let sample = row.measure(Side::Skep, setup).await.with_context(at)?;
            tell(&row, round, "skep", &sample);
            measured.skep.push(sample);
            continue;
        }
        let mut samples = Vec::with_capacity(3);
        for side in [Side::Peer, Side::Skep, Side::Peer] {
            let sample = row.measure(side, setup).await.with_context(at)?;
            let name = match side {
                Side::Peer => row.peer.name(),
                Side::Skep => "skep",
            };
            tell(&row, round, name, &sample);
            samples.push(sample);
        }
        measured.add(samples);
    }
    Ok(measured)
}

fn tell(row: &Row, round: u32, name: &str, sample: &Sample) {
    eprintln!(
        "{} {round}: {name}: {} {} ({}), {:.2} CPU s, {:.0} MiB, others {:.0} %",
        row.name,
        figure(sample.value),
        row.unit,
        sample.note,
        sample.usage.cpu,
        sample.usage.peak_mib,
        sample.usage.others * 100.0,
    );
}

impl Measured {
    fn add(&mut self, samples: Vec<Sample>) {
        let Ok([before, skep, after]) = <[Sample; 3]>::try_from(samples) else {
            return;
        };
        let peer = (before.value + after.value) / 2.0;
        let ratio = self.row.ratio(peer, skep.value);
        if ratio.is_finite() {
            self.ratios.push(ratio);
        }
        self.peer.extend([before, after]);
        self.skep.push(skep);
    }

    /// The least and the median ratio; nothing without a peer.
    pub(crate) fn ratio(&self) -> Option<(f64, f64)> {
        least_and_median(&self.ratios)
    }

    /// The worst and the median figure of skep.
    pub(crate) fn skep_figures(&self) -> (f64, f64) {
        let figures: Vec<f64> = self.skep.iter().map(|sample| sample.value).collect();
        let worst = match self.row.better {
            Better::Higher => figures.iter().copied().fold(f64::INFINITY, f64::min),
            Better::Lower => figures.iter().copied().fold(0.0, f64::max),
        };
        (worst, median(figures))
    }

    /// Whether the median reaches the target; nothing if there is none.
    pub(crate) fn is_reached(&self) -> Option<bool> {
        match self.row.target {
            Target::Open => None,
            Target::Ratio(wanted) => self.ratio().map(|(_, median)| median >= wanted),
            Target::AtMost(wanted) => Some(self.skep_figures().1 <= wanted),
        }
    }
}

/// A figure with about three digits that count.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => thousands(value.round() as i64),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: i64) -> String {
    if value.abs() < 1_000 {
        return value.to_string();
    }
    format!(
        "{},{:03}",
        thousands(value / 1_000),
        (value % 1_000).unsigned_abs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::Usage;
    use crate::rows::ROWS;

    fn samples(values: [f64; 3]) -> Vec<Sample> {
        let sample = |value| Sample {
            value,
            operations: 1,
            usage: Usage::default(),
            note: String::new(),
        };
        values.map(sample).to_vec()
    }

    fn measured(name: &str, rounds: &[[f64; 3]]) -> Measured {
        let row = ROWS.iter().find(|row| row.name == name);
        let mut measured = Measured {
            row: *row.expect("it is a row"),
            peer: Vec::new(),
            skep: Vec::new(),
            ratios: Vec::new(),
        };
        rounds
            .iter()
            .for_each(|values| measured.add(samples(*values)));
        measured
    }

    #[test]
    fn a_ratio_is_of_a_round_and_more_is_better() {
        let rates = [[100.0, 320.0, 100.0], [90.0, 200.0, 110.0]];
        let rates = measured("writes-64", &rates);
        assert_eq!(rates.ratio(), Some((2.0, 2.6)));
        assert_eq!(rates.is_reached(), Some(true));
        let times = measured("fanout-one", &[[10.0, 20.0, 10.0]]);
        assert_eq!(times.ratio(), Some((0.5, 0.5)));
        assert_eq!(times.is_reached(), Some(false));
        let tasks = measured("tasks-1k", &[[100.0, 400.0, 100.0], [1.0, 900.0, 1.0]]);
        assert_eq!(tasks.skep_figures(), (900.0, 650.0));
        assert_eq!(tasks.is_reached(), Some(false));
    }

    #[test]
    fn figures_are_short() {
        let texts = [0.456, 12.34, 345.6, 12_345.6, 1_000_001.0].map(figure);
        assert_eq!(texts, ["0.46", "12.3", "346", "12,346", "1,000,001"]);
    }
}
