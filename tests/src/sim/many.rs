// SPDX-License-Identifier: Apache-2.0
//! Many worlds, some at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Failure, Report, play};

/// How many worlds are played unless somebody says otherwise.
pub const SEEDS: u64 = 200;

/// How many are played at a time: each has a thread of its own.
const THREADS: usize = 2;

/// Plays these seeds; the reports are in their order.
///
/// # Errors
/// The first of them in which anything was wrong; no further one is begun then.
///
/// # Panics
/// If a thread could not tell what came of its world.
pub fn play_all(seeds: &[u64]) -> Result<Vec<Report>, Box<Failure>> {
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
    reports.into_iter().flatten().collect()
}
