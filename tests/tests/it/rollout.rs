// SPDX-License-Identifier: Apache-2.0
//! A roll-out whose daemon is killed over and over, and that goes on as if nothing had happened.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_sdk::v1::Rollout;
use skep_sdk::v1::rollout::State;
use skep_tests::story::{Step, Story};
use skep_tests::{DEADLINE, Daemon, until};

use crate::api::Api;

/// Kills while tasks are replaced.
const KILLS: usize = 10;
/// Kills while the roll-out is paused.
const KILLS_PAUSED: usize = 3;
/// How long after the daemon is ready again the next kill comes, at most.
const MOMENT_MAX: Duration = Duration::from_millis(700);
/// How long all of it may take.
const IN_ALL: Duration = Duration::from_secs(90);

const REPLICAS: usize = 6;
const PARALLELISM: usize = 2;

/// What changes the version.
const FLAG: &str = "--env-add";

/// What each task writes down of itself: a line when it starts, and one when it ends.
struct Diary {
    file: PathBuf,
}

impl Diary {
    fn of(daemon: &Daemon) -> Diary {
        Diary {
            file: daemon.dir().join("diary"),
        }
    }

    /// The program of the tasks. That of version "bad" ends by itself at once.
    fn script(&self) -> String {
        let file = self.file.display();
        format!(
            "line() {{ echo \"$1 $SKEP_SLOT $VERSION $SKEP_TASK_ID\" >> {file}; }}; \
             [ \"$VERSION\" = bad ] && exit 3; \
             trap 'line stop; exit 0' TERM; \
             line start; sleep 86400 & wait $!"
        )
    }

    /// Reads it from the first line to the last.
    fn read(&self) -> Story {
        let text = std::fs::read_to_string(&self.file).expect("tasks have started");
        let steps = text.lines().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [what, slot, version, task] = words[..] else {
                panic!("{line:?}")
            };
            Step {
                starts: what == "start",
                slot: slot.to_owned(),
                version: version.to_owned(),
                task: task.to_owned(),
            }
        });
        Story::of(&steps.collect::<Vec<_>>(), REPLICAS)
    }

    /// No slot ran twice at a time, no task twice, and never more slots were down than may be.
    fn check(&self) -> Story {
        let story = self.read();
        story.had_at_least(REPLICAS - PARALLELISM);
        story
    }
}

/// The roll-out of the service.
pub(crate) fn rollout(api: &Api) -> Rollout {
    let status = api.service("web").status.unwrap_or_default();
    status.rollout.unwrap_or_default()
}

/// Begins to roll out what this flag changes.
pub(crate) fn roll_out(daemon: &Daemon, flag: &str, value: &str) {
    daemon.skep_ok(["service", "update", "--detach", flag, value, "web"]);
}

/// Waits until the roll-out is done.
///
/// # Panics
/// If it is paused.
pub(crate) fn until_completed(api: &Api) {
    until("the roll-out is done", DEADLINE, || {
        let rollout = rollout(api);
        assert_ne!(rollout.state(), State::Paused, "{rollout:?}");
        (rollout.state() == State::Completed).then_some(())
    });
    api.converged("web");
}

/// Waits until the roll-out is done, and every slot runs this version.
fn until_done(api: &Api, diary: &Diary, version: &str) {
    until_completed(api);
    let story = diary.check();
    assert!(
        story.is_all(REPLICAS, version),
        "{story:?}, not all {version}"
    );
}

/// The flags of a service that is rolled out while its daemon dies.
pub(crate) fn create(replicas: usize, parallelism: usize) -> Vec<String> {
    let (replicas, parallelism) = (replicas.to_string(), parallelism.to_string());
    let words = [
        "service",
        "create",
        "--detach",
        "--name",
        "web",
        "--replicas",
        &replicas,
        "--update-parallelism",
        &parallelism,
        "--update-monitor",
        "300ms",
        "--update-delay",
        "100ms",
    ];
    words.map(str::to_owned).to_vec()
}

/// Kills the daemon some moment after it was ready, and starts it again.
pub(crate) fn kill_and_start(daemon: &mut Daemon, api: &Api, random: &mut StdRng) {
    let moment = random.random_range(Duration::ZERO..MOMENT_MAX);
    let _ = api.within(moment, std::future::pending::<()>());
    daemon.kill();
    daemon.start_again();
}

/// The seed of the moments of kills: of the environment, else a new one, which is said.
pub(crate) fn kill_seed() -> u64 {
    let seed = match std::env::var("SKEP_KILL_SEED") {
        Ok(text) => text.parse().expect("SKEP_KILL_SEED is a number"),
        Err(_) => rand::random(),
    };
    eprintln!("SKEP_KILL_SEED={seed}");
    seed
}

/// `SKEP_KILL_SEED` repeats a run as far as the machine allows.
#[test]
fn a_rollout_goes_on_whenever_the_daemon_is_killed() {
    let mut random = StdRng::seed_from_u64(kill_seed());
    let start = Instant::now();
    let mut daemon = Daemon::start(2);
    let api = Api::of(&daemon);
    let diary = Diary::of(&daemon);
    let script = diary.script();
    let task = [
        "--env",
        "VERSION=0",
        "--process",
        "--",
        "/bin/sh",
        "-c",
        &script,
    ];
    let mut words = create(REPLICAS, PARALLELISM);
    words.extend(task.map(str::to_owned));
    daemon.skep_ok(words);
    api.converged("web");

    let mut version = 0;
    for _ in 0..KILLS {
        if version == 0 || rollout(&api).state() == State::Completed {
            version += 1;
            roll_out(&daemon, FLAG, &format!("VERSION={version}"));
        }
        kill_and_start(&mut daemon, &api, &mut random);
        diary.check();
    }
    let last = version.to_string();
    until_done(&api, &diary, &last);

    // What is paused stays so, and everything that runs goes on as what it is.
    roll_out(&daemon, FLAG, "VERSION=bad");
    let paused = || {
        let rollout = rollout(&api);
        (rollout.state() == State::Paused).then_some(rollout)
    };
    let before = until("the roll-out is paused", DEADLINE, paused);
    let live = diary.check().live;
    assert!(live.len() >= REPLICAS - PARALLELISM && live.values().all(|runs| *runs == last));
    for _ in 0..KILLS_PAUSED {
        kill_and_start(&mut daemon, &api, &mut random);
        let after = paused().expect("it is still paused");
        assert_eq!(after.template_revision, before.template_revision);
        assert_eq!(diary.check().live, live, "nothing moves");
    }
    roll_out(&daemon, FLAG, "VERSION=good");
    until_done(&api, &diary, "good");
    let took = start.elapsed();
    eprintln!(
        "{} kills, {version} versions, {took:.1?}",
        KILLS + KILLS_PAUSED
    );
    assert!(took < IN_ALL, "{took:?}");
}
