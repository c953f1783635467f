// SPDX-License-Identifier: Apache-2.0
//! What follows from the objects is what they say when looked at afresh.

use crate::state::State;

use super::Violation;

pub(super) fn check(state: &State, found: &mut Vec<Violation>) {
    let again = State::from_image(state.image());
    for part in state.differences(&again) {
        let message = format!("{part}, at {:?}", state.revision());
        found.push(Violation::new("what follows is kept up to date", message));
    }
}
