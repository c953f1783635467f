// SPDX-License-Identifier: Apache-2.0
//! Worlds, by their seeds.
//!
//! `SKEP_SIM_SEED` plays one seed only, and says what happened in it; `SKEP_SIM_SEEDS` sets how
//! many there are.

use skep_core::model::OnFailure;
use skep_tests::sim::{Counts, Plan, Report, SEEDS, Told, play_all, roll_out};

/// How often each thing that can happen to what runs has to happen in all worlds together.
const OFTEN: u64 = 20;

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
    )
}

/// Plays these seeds, in which nothing may be wrong.
fn sound(seeds: &[u64]) -> Vec<Report> {
    play_all(seeds).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn sim_worlds_stay_sound_and_heal() {
    if let Some(seed) = from_environment("SKEP_SIM_SEED") {
        println!("{:#?}", sound(&[seed]));
        return;
    }
    let count = from_environment("SKEP_SIM_SEEDS").unwrap_or(SEEDS);
    let seeds: Vec<u64> = (0..count).collect();
    let reports = sound(&seeds);
    assert_eq!(reports.len(), seeds.len());
    for (seed, Report { tally, .. }) in reports.iter().enumerate() {
        let enough = tally.crashes >= 3 && tally.cuts >= 2;
        assert!(enough, "seed {seed} had too little trouble: {tally:?}");
    }
    let mut counts = Counts::default();
    for report in &reports {
        counts += report.tally.counts;
    }
    if count >= SEEDS {
        // What never happens proves nothing.
        for (what, times) in counts.named() {
            assert!(
                times >= OFTEN,
                "{what}: only {times} times in all: {counts:?}"
            );
        }
    }
    println!("{counts:?}");
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
    let reports = sound(&[7, 7, 8, 8]);
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[2], reports[3]);
    assert_ne!(reports[0].hash, reports[2].hash);
}

/// The manager is killed at moments spread over a rollout: the end is that of a rollout which
/// nobody disturbed, and each slot came there on the same way. What must hold on the way is
/// checked after every change. What is paused is left alone for some time, and must be as it was.
#[test]
fn sim_a_rollout_survives_its_manager() {
    let plan = |works, start_first, parallelism, on_failure| Plan {
        works,
        asked: false,
        start_first,
        parallelism,
        on_failure,
    };
    let plans = [
        plan(true, false, 1, OnFailure::Pause),
        plan(true, true, 2, OnFailure::Pause),
        plan(true, false, 0, OnFailure::Pause),
        plan(false, false, 2, OnFailure::Rollback),
        plan(false, true, 1, OnFailure::Rollback),
        Plan {
            asked: true,
            ..plan(false, false, 1, OnFailure::Pause)
        },
        plan(false, false, 2, OnFailure::Continue),
    ];
    let mut kills = 0;
    for plan in plans {
        for seed in 0..4 {
            let tell =
                |kill| roll_out(seed, plan, kill).unwrap_or_else(|failure| panic!("{failure}"));
            let calm = tell(None);
            let wanted = match plan.on_failure {
                _ if plan.works => "COMPLETED",
                OnFailure::Pause => "PAUSED",
                OnFailure::Rollback => "ROLLED_BACK",
                OnFailure::Continue => "COMPLETED",
            };
            assert!(calm.stands.starts_with(wanted), "{plan:?}: {calm:?}");
            for part in 0..5 {
                let told = tell(Some(1 + calm.changes * part / 5));
                kills += u32::from(told.killed);
                compare(plan, &calm, &told);
            }
        }
    }
    assert!(kills >= 133, "only {kills} managers were killed in time");
}

fn compare(plan: Plan, calm: &Told, told: &Told) {
    if plan.works {
        assert_eq!(told.stands, calm.stands, "{plan:?}");
        assert_eq!(told.slots, calm.slots, "{plan:?}");
        return;
    }
    let touched = |slot: &&Vec<String>| slot.iter().any(|it| it.starts_with("v2"));
    let running = |slot: &Vec<String>| -> Vec<String> {
        let running = slot.iter().filter(|it| it.ends_with("Running"));
        running.cloned().collect()
    };
    match plan.on_failure {
        // Which slots had begun when the first failed depends on moments.
        OnFailure::Rollback => {
            let mut slots = told.slots.iter();
            assert!(
                slots.all(|it| running(it) == ["v1 Running"]),
                "{plan:?}: {told:?}"
            );
        }
        OnFailure::Pause => {
            assert_eq!(told.stands, calm.stands, "{plan:?}");
            assert_eq!(told.slots.iter().filter(touched).count(), 1, "{told:?}");
            let mut others = told.slots.iter().filter(|slot| !touched(slot));
            assert!(others.all(|it| it == &["v1 Running"]), "{plan:?}: {told:?}");
        }
        OnFailure::Continue => {
            assert_eq!(told.stands, calm.stands, "{plan:?}");
            assert!(told.slots.iter().all(|slot| touched(&slot)), "{told:?}");
            let mut slots = told.slots.iter().flat_map(running);
            assert!(slots.all(|it| it != "v1 Running"), "{plan:?}: {told:?}");
        }
    }
}
