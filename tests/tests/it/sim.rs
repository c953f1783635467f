// SPDX-License-Identifier: Apache-2.0
//! Worlds, by their seeds.
//!
//! `SKEP_SIM_SEED` plays one seed only, and says what happened in it; `SKEP_SIM_SEEDS` sets how
//! many there are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use skep_tests::sim::{Report, play};

/// How many worlds are played unless the environment says otherwise.
const SEEDS: u64 = 200;

/// How many are played at a time: each has a thread of its own.
const THREADS: usize = 2;

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
    )
}

/// Plays these seeds; the reports are in their order.
fn play_all(seeds: &[u64]) -> Vec<Report> {
    let next = AtomicU64::new(0);
    let reports = Mutex::new(vec![None; seeds.len()]);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed) as usize;
                    let Some(seed) = seeds.get(place) else {
                        return;
                    };
                    let played = play(*seed);
                    let failed = played.is_err();
                    reports.lock().expect("worlds catch panics")[place] = Some(played);
                    if failed {
                        next.store(seeds.len() as u64, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let reports = reports.into_inner().expect("worlds catch panics");
    let played = reports.into_iter().flatten();
    played
        .map(|report| report.unwrap_or_else(|failure| panic!("{failure}")))
        .collect()
}

#[test]
fn sim_worlds_stay_sound_and_heal() {
    if let Some(seed) = from_environment("SKEP_SIM_SEED") {
        println!("{:#?}", play_all(&[seed]));
        return;
    }
    let count = from_environment("SKEP_SIM_SEEDS").unwrap_or(SEEDS);
    let seeds: Vec<u64> = (0..count).collect();
    let reports = play_all(&seeds);
    assert_eq!(reports.len(), seeds.len());
    for (seed, Report { tally, .. }) in reports.iter().enumerate() {
        let enough = tally.crashes >= 3 && tally.cuts >= 2;
        assert!(enough, "seed {seed} had too little trouble: {tally:?}");
    }
    let sum = |part: fn(&Report) -> u64| reports.iter().map(part).sum::<u64>();
    println!(
        "{count} worlds: {} events, {} changes, {} crashes, {} cuts, {} clocks set, {} nodes \
         deleted, {} disks lost, {} requests acknowledged, {} snapshots, {} watches resumed, {} begun anew, {} starts; healed after {} ms at most",
        sum(|report| report.tally.events),
        sum(|report| report.tally.changes),
        sum(|report| report.tally.crashes),
        sum(|report| report.tally.cuts),
        sum(|report| report.tally.clocks_set),
        sum(|report| report.tally.deleted),
        sum(|report| report.tally.disks_lost),
        sum(|report| report.tally.acknowledged),
        sum(|report| report.tally.snapshots),
        sum(|report| report.tally.resumed),
        sum(|report| report.tally.reset),
        sum(|report| report.tally.starts),
        reports
            .iter()
            .map(|r| r.tally.healed_after_millis)
            .max()
            .unwrap_or(0),
    );
}

#[test]
fn sim_a_seed_tells_the_whole_world() {
    let reports = play_all(&[7, 7, 8, 8]);
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[2], reports[3]);
    assert_ne!(reports[0].hash, reports[2].hash);
}
