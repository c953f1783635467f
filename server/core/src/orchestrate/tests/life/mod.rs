// SPDX-License-Identifier: Apache-2.0
//! Random lives of two services on a few nodes: specs change, nodes come and go, tasks fail,
//! time passes. Every rule holds after every change, and once the faults stop, all is as wanted.

mod acts;
mod world;

use proptest::prelude::*;

use acts::{Act, act};
use world::Life;

/// How many lives, unless `PROPTEST_CASES` asks for another number.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if config.cases == 256 {
        config.cases = 100;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn all_is_well_in_the_end(acts in prop::collection::vec((act(), any::<bool>()), 1..60)) {
        let mut life = Life::new();
        for (act, is_late) in acts {
            live(&mut life, act, is_late);
        }
        life.heal();
        life.come_to_rest();
        life.delete_services();
        life.come_to_rest();
        prop_assert_eq!(life.world.state.task_count(), 0);
        prop_assert_eq!(life.world.state.services().count(), 0);
    }
}

/// Does one thing. If `is_late`, what was decided before it is written after it.
fn live(life: &mut Life, act: Act, is_late: bool) {
    let decided = if is_late { life.decide() } else { Vec::new() };
    life.act(act);
    for change in decided {
        // It may be refused; if it is not, it does no harm.
        life.apply_change(change);
    }
    life.orchestrate();
}
