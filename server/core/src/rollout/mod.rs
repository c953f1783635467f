// SPDX-License-Identifier: Apache-2.0
//! What a rollout does next, as functions of what is stored and of the time.
//!
//! | state           | pause           | resume       | roll back    | too many failed       | all changed |
//! |-----------------|-----------------|--------------|--------------|-----------------------|-------------|
//! | none            | -               | -            | ROLLING_BACK | -                     | -           |
//! | UPDATING        | PAUSED          | so already   | ROLLING_BACK | PAUSED / ROLLING_BACK | COMPLETED   |
//! | PAUSED          | so already      | UPDATING     | ROLLING_BACK | -                     | -           |
//! | COMPLETED       | -               | -            | ROLLING_BACK | -                     | -           |
//! | ROLLING_BACK    | ROLLBACK_PAUSED | so already   | ROLLING_BACK | ROLLBACK_PAUSED       | ROLLED_BACK |
//! | ROLLBACK_PAUSED | so already      | ROLLING_BACK | ROLLING_BACK | -                     | -           |
//! | ROLLED_BACK     | -               | -            | ROLLING_BACK | -                     | -           |
//!
//! A new template begins UPDATING from any of them.

mod back;
mod judge;
mod machine;
#[cfg(test)]
mod tests;

pub use back::{back_to, spec_at, taken_port};
pub use judge::{Judgement, Proof, Watch, judge};
pub use machine::{Decision, Event, decide, is_too_many, next};
