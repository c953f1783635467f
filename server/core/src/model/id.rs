// SPDX-License-Identifier: Apache-2.0
//! Ids: a kind's prefix and 26 random base-32 digits.
//!
//! An id holds 128 random bits and is not ordered by time, so the first dozen characters tell
//! objects apart. Numbers and texts sort alike: the digits are written most significant first,
//! in an alphabet that ascends, which makes "all ids that begin with these characters" a range.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Crockford's base-32 digits in lower case: no i, l, o and u, which people misread.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// How many digits follow the prefix: 25 hold five bits each, the last one holds three.
const DIGIT_COUNT: usize = 26;

/// Where new ids come from: a random source in the daemon, a seeded one in tests.
pub trait IdSource {
    /// 128 fresh bits. Two calls never give the same ones.
    fn next_id(&mut self) -> u128;
}

impl<F: FnMut() -> u128> IdSource for F {
    fn next_id(&mut self) -> u128 {
        self()
    }
}

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadId;

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id: a kind's prefix and 26 base-32 digits")
    }
}

impl std::error::Error for BadId {}

fn digit_value(digit: u8) -> Option<u128> {
    let place = DIGITS.iter().position(|known| *known == digit)?;
    u128::try_from(place).ok()
}

fn write_digits(f: &mut fmt::Formatter<'_>, prefix: &str, bits: u128) -> fmt::Result {
    f.write_str(prefix)?;
    for place in 0..DIGIT_COUNT - 1 {
        let shift = 123 - 5 * place;
        let value = (bits >> shift) & 31;
        write!(f, "{}", char::from(DIGITS[value as usize]))?;
    }
    write!(f, "{}", char::from(DIGITS[((bits & 7) << 2) as usize]))
}

/// The ids whose digits begin with `digits`, or nothing if these are no digits of an id.
fn digits_range(digits: &str) -> Result<RangeInclusive<u128>, BadId> {
    if digits.len() > DIGIT_COUNT {
        return Err(BadId);
    }
    let mut low = 0u128;
    let mut used = 0usize;
    for digit in digits.bytes() {
        let value = digit_value(digit).ok_or(BadId)?;
        if used == 125 {
            if value & 3 != 0 {
                return Err(BadId);
            }
            low |= value >> 2;
            used = 128;
        } else {
            low |= value << (123 - used);
            used += 5;
        }
    }
    let free = if used >= 128 { 0 } else { u128::MAX >> used };
    Ok(low..=(low | free))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u128);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// The ids that begin with `text`, prefix included.
            ///
            /// # Errors
            /// If no id of this kind can begin so.
            pub fn range_of(text: &str) -> Result<RangeInclusive<Self>, BadId> {
                let digits = text.strip_prefix(Self::PREFIX).ok_or(BadId)?;
                let range = digits_range(digits)?;
                Ok(Self(*range.start())..=Self(*range.end()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_digits(f, Self::PREFIX, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                if text.len() != Self::PREFIX.len() + DIGIT_COUNT {
                    return Err(BadId);
                }
                Ok(*Self::range_of(text)?.start())
            }
        }
    };
}

id!(
    /// The id of a task: one attempt to run one slot of a service.
    TaskId, "tsk_"
);
id!(
    /// The id of a service.
    ServiceId, "svc_"
);
id!(
    /// The id of a node.
    NodeId, "nod_"
);
id!(
    /// The id of a swarm.
    SwarmId, "swm_"
);

/// Prefixes that no name may begin with: those of all kinds, also of kinds still to come.
pub const ID_PREFIXES: [&str; 7] = ["svc_", "tsk_", "nod_", "net_", "sec_", "cfg_", "swm_"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_and_number_are_one(bits: u128) {
            let id = TaskId(bits);
            prop_assert_eq!(id.to_string().parse::<TaskId>(), Ok(id));
        }

        #[test]
        fn texts_sort_as_numbers(a: u128, b: u128) {
            prop_assert_eq!(a.cmp(&b), TaskId(a).to_string().cmp(&TaskId(b).to_string()));
        }

        #[test]
        fn a_beginning_covers_exactly_the_ids_that_begin_so(a: u128, b: u128, n in 4usize..30) {
            let beginning = &TaskId(a).to_string()[..n];
            let range = TaskId::range_of(beginning).expect("a beginning of an id");
            prop_assert!(range.contains(&TaskId(a)));
            prop_assert_eq!(
                range.contains(&TaskId(b)),
                TaskId(b).to_string().starts_with(beginning)
            );
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "tsk_",
            "svc_00000000000000000000000000",
            "tsk_0000000000000000000000000u",
        ] {
            assert_eq!(text.parse::<TaskId>(), Err(BadId), "{text}");
        }
        assert_eq!(
            "tsk_00000000000000000000000001".parse::<TaskId>(),
            Err(BadId)
        );
    }
}
