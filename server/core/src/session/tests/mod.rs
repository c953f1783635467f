// SPDX-License-Identifier: Apache-2.0
//! Sessions, message by message, and then with everything that can go wrong.

mod chaos;
mod executor;
mod line;
mod play;
mod rules;

/// A small generator of numbers (SplitMix64): a seed tells a whole play.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// True in `part` of a thousand rolls.
    fn chance(&mut self, part: u64) -> bool {
        self.below(1_000) < part
    }
}
