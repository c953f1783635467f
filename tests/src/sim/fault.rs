// SPDX-License-Identifier: Apache-2.0
//! What goes wrong, and when: drawn up at the beginning of a world.

use std::time::Duration;

use super::dice::Dice;

/// How long things go wrong.
pub(crate) const TROUBLE: Duration = Duration::from_secs(45);

/// At least so many crashes, of managers and machines together, and so many cuts.
pub(crate) const CRASHES_MIN: u64 = 3;
pub(crate) const CUTS_MIN: u64 = 2;

const DAY_MILLIS: u64 = 24 * 3_600 * 1_000;

/// How often the manager's clock is set in a world, and how far forward: requests are remembered
/// for an hour by that clock, so all of it together is less.
const MANAGER_CLOCK_SETS_MAX: u64 = 3;
const FORWARD_MAX_MILLIS: u64 = 15 * 60 * 1_000;

/// One thing that goes wrong. Machines are named by their place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The manager's process is killed.
    KillManager,
    /// The power of its machine goes.
    PowerOffManager,
    /// The power goes in the midst of an operation on the disk, so many from now.
    PowerOffInStore { operations: u64 },
    /// An operation on the disk fails, so many from now.
    StoreError { operations: u64, full: bool },
    /// The manager's process is stopped for a while, and then goes on.
    FreezeManager { span: Duration },
    /// Operations on the manager's disk take up to this long.
    SlowStore { latency: Duration },
    /// An agent is killed.
    KillAgent { machine: usize },
    /// The power of its machine goes.
    PowerOffMachine { machine: usize },
    /// The power goes as soon as the next task there is told to start.
    PowerOffAtStart { machine: usize },
    /// The power goes in the midst of an operation on an agent's disk, so many from now.
    PowerOffInAgent { machine: usize, operations: u64 },
    /// Nothing gets through to a machine, from it, or both.
    Cut {
        machine: usize,
        up: bool,
        down: bool,
        span: Duration,
    },
    /// Both ends of a connection learn at once that it is gone.
    Reset { machine: usize },
    /// Everything to and from a machine is slow.
    SlowLine { machine: usize, span: Duration },
    /// A process on a machine dies.
    EndProcess { machine: usize },
    /// What is begun on a machine takes long to be made ready, as if its image were large.
    SlowPrepare { machine: usize, span: Duration },
    /// The events of the engine of a machine get lost: nobody tells of what ends there.
    LoseEvents { machine: usize, span: Duration },
    /// The engine of a machine goes away, and comes back.
    LoseEngine {
        machine: usize,
        span: Duration,
        how: Leaving,
    },
    /// A machine has no space for what is begun on it.
    NoSpace { machine: usize, span: Duration },
    /// Somebody sets the clock of the manager's machine.
    SetManagerClock { millis: i64 },
    /// Somebody sets the clock of a machine.
    SetClock { machine: usize, millis: i64 },
    /// A machine comes back with an empty disk, as the same node.
    LoseDisk { machine: usize },
}

/// How an engine goes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leaving {
    /// What it runs goes on.
    Alone,
    /// What it runs ends with it.
    WithAll,
    /// What it runs goes on, and the agent dies at the same time.
    WithAgent,
    /// It does some of what it is told, but does not answer.
    Mute,
}

impl Fault {
    fn crash(machine: usize, dice: &mut Dice) -> Fault {
        let operations = dice.between(1, 40);
        match dice.below(10) {
            0..=2 => Fault::KillManager,
            3 => Fault::PowerOffManager,
            4 | 5 => Fault::PowerOffInStore { operations },
            6 | 7 => Fault::KillAgent { machine },
            8 if operations.is_multiple_of(2) => Fault::PowerOffAtStart { machine },
            8 => Fault::PowerOffMachine { machine },
            _ => Fault::PowerOffInAgent {
                machine,
                operations: operations / 2 + 1,
            },
        }
    }

    fn cut(machine: usize, dice: &mut Dice) -> Fault {
        let (up, down) = dice.pick(&[(true, true), (true, true), (true, false), (false, true)]);
        let span = if dice.chance(300) {
            dice.millis(5_000, 25_000)
        } else {
            dice.millis(100, 5_000)
        };
        Fault::Cut {
            machine,
            up,
            down,
            span,
        }
    }

    fn other(machine: usize, dice: &mut Dice) -> Fault {
        let operations = dice.between(1, 60);
        match dice.below(15) {
            0 => Fault::StoreError {
                operations,
                full: false,
            },
            1 => Fault::StoreError {
                operations,
                full: true,
            },
            2 => Fault::FreezeManager {
                span: dice.millis(1_000, 15_000),
            },
            3 => Fault::SlowStore {
                latency: dice.millis(1, 400),
            },
            4 | 5 => Fault::Reset { machine },
            6 => Fault::SlowLine {
                machine,
                span: dice.millis(1_000, 8_000),
            },
            7 | 8 => Fault::SetClock {
                machine,
                millis: set_by(dice, DAY_MILLIS, DAY_MILLIS),
            },
            9 => Fault::LoseDisk { machine },
            _ => Fault::EndProcess { machine },
        }
    }

    fn of_what_runs(machine: usize, dice: &mut Dice) -> Fault {
        match dice.below(8) {
            0 | 1 => Fault::SlowPrepare {
                machine,
                span: dice.millis(1_000, 10_000),
            },
            2 | 3 => Fault::LoseEvents {
                machine,
                span: dice.millis(2_000, 12_000),
            },
            4 => Fault::NoSpace {
                machine,
                span: dice.millis(1_000, 10_000),
            },
            _ => Fault::LoseEngine {
                machine,
                span: dice.millis(100, 12_000),
                how: dice.pick(&[
                    Leaving::Alone,
                    Leaving::WithAll,
                    Leaving::WithAll,
                    Leaving::WithAgent,
                    Leaving::WithAgent,
                    Leaving::WithAgent,
                    Leaving::Mute,
                    Leaving::Mute,
                ]),
            },
        }
    }

    fn manager_clock(_: usize, dice: &mut Dice) -> Fault {
        let millis = set_by(dice, FORWARD_MAX_MILLIS, DAY_MILLIS);
        Fault::SetManagerClock { millis }
    }
}

/// How far a clock is set, forward or back, mostly not far.
fn set_by(dice: &mut Dice, forward_max: u64, back_max: u64) -> i64 {
    let forward = dice.chance(500);
    let longest = if forward { forward_max } else { back_max };
    let longest = if dice.chance(500) { 20_000 } else { longest };
    let millis = i64::try_from(dice.between(100, longest)).expect("a day is short");
    if forward { millis } else { -millis }
}

/// What goes wrong in a world with so many machines, and when, from its beginning on.
pub(crate) fn plan(machines: usize, dice: &mut Dice) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    type Draw = fn(usize, &mut Dice) -> Fault;
    let draws: [(u64, Draw); 5] = [
        (dice.between(CRASHES_MIN, 9), Fault::crash),
        (dice.between(CUTS_MIN, 6), Fault::cut),
        (dice.between(0, 18), Fault::other),
        (dice.between(3, 10), Fault::of_what_runs),
        (dice.below(MANAGER_CLOCK_SETS_MAX + 1), Fault::manager_clock),
    ];
    let end = u64::try_from(TROUBLE.as_millis()).expect("it is short");
    for (count, draw) in draws {
        for _ in 0..count {
            let at = dice.millis(500, end);
            let machine = dice.below(machines as u64) as usize;
            faults.push((at, draw(machine, dice)));
        }
    }
    // Whatever else was drawn, the manager dies three times.
    for _ in 0..CRASHES_MIN {
        let at = dice.millis(500, end);
        let fault = dice.pick(&[Fault::KillManager, Fault::PowerOffManager]);
        faults.push((at, fault));
    }
    faults
}
