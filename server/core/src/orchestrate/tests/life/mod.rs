// SPDX-License-Identifier: Apache-2.0
//! Random lives of two services on a few nodes: specs change, nodes come and go, tasks fail,
//! time passes. Every rule holds after every change, and once the faults stop, all is as wanted.

mod acts;
mod world;

use proptest::prelude::*;

use crate::state::Change;

use acts::act;
use world::Life;

/// How many lives, unless `PROPTEST_CASES` asks for another number.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if config.cases == 256 {
        config.cases = 100;
    }
    config
}

/// When a plan is written that the orchestrator makes after something happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pace {
    /// At once.
    Prompt,
    /// After the next thing has happened.
    Late,
    /// After the plan that is made then: what a loop must not do, and does no great harm.
    Twice,
}

fn pace() -> impl Strategy<Value = Pace> {
    prop_oneof![
        4 => Just(Pace::Prompt),
        1 => Just(Pace::Late),
        1 => Just(Pace::Twice),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn all_is_well_in_the_end(acts in prop::collection::vec((act(), pace()), 1..60)) {
        let mut life = Life::new();
        let mut decided: (Pace, Vec<Change>) = (Pace::Prompt, Vec::new());
        for (act, pace) in acts {
            life.act(act);
            if decided.0 == Pace::Twice {
                life.orchestrate();
            }
            for change in decided.1 {
                // It may be refused; if it is not, it does no harm.
                life.apply_late(change);
            }
            decided = (pace, Vec::new());
            if pace == Pace::Prompt {
                life.orchestrate();
            } else {
                decided.1 = life.decide();
            }
        }
        life.heal();
        life.come_to_rest();
        life.delete_services();
        life.come_to_rest();
        prop_assert_eq!(life.world.state.task_count(), 0);
        prop_assert_eq!(life.world.state.services().count(), 0);
    }
}
