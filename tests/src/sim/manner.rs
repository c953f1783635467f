// SPDX-License-Identifier: Apache-2.0
//! How what runs behaves: whether it ends by itself, and what it says when it is asked how it is.

use std::time::Duration;

use super::dice::Dice;

/// How the process of a task behaves, as its spec says by a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manner {
    /// It runs for ever.
    Web,
    /// It ends well after a while.
    Job,
    /// It fails soon after its start.
    Crash,
    /// It fails now and then.
    Flaky,
    /// It is well only when it was asked some times.
    Tardy,
    /// It is well at first, and not any more later.
    Fickle,
    /// It never is well.
    Ill,
    /// It fails at once, also where nothing goes wrong by chance.
    Bad,
    /// It never is well, also where nothing goes wrong by chance.
    Sick,
}

impl Manner {
    /// All there are, with their words.
    const ALL: [(Manner, &'static str); 9] = [
        (Manner::Web, "web"),
        (Manner::Job, "job"),
        (Manner::Crash, "crash"),
        (Manner::Flaky, "flaky"),
        (Manner::Tardy, "tardy"),
        (Manner::Fickle, "fickle"),
        (Manner::Ill, "ill"),
        (Manner::Bad, "bad"),
        (Manner::Sick, "sick"),
    ];

    /// Those that are drawn for services, the usual ones more often.
    pub(crate) const DRAWN: [Manner; 13] = [
        Manner::Web,
        Manner::Web,
        Manner::Web,
        Manner::Web,
        Manner::Web,
        Manner::Job,
        Manner::Crash,
        Manner::Flaky,
        Manner::Tardy,
        Manner::Tardy,
        Manner::Tardy,
        Manner::Fickle,
        Manner::Ill,
    ];

    pub(crate) fn of(word: &str) -> Manner {
        let known = Manner::ALL.iter().find(|(_, known)| *known == word);
        known.map_or(Manner::Web, |(manner, _)| *manner)
    }

    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        let known = Manner::ALL.iter().find(|(known, _)| *known == self);
        known.map_or("", |(_, word)| word)
    }

    /// Whether it shows only when it is asked how it is.
    pub(crate) fn shows_when_asked(self) -> bool {
        matches!(
            self,
            Manner::Tardy | Manner::Fickle | Manner::Ill | Manner::Sick
        )
    }

    /// When and with which code it ends by itself, if it does. `well`: nothing goes wrong by
    /// chance.
    pub(crate) fn natural_end(self, well: bool, dice: &mut Dice) -> Option<(Duration, i32)> {
        match self {
            Manner::Bad => Some((dice.millis(0, 200), 3)),
            _ if well => None,
            Manner::Job => Some((dice.millis(500, 8_000), 0)),
            Manner::Crash => Some((dice.millis(0, 1_500), 3)),
            Manner::Flaky if dice.chance(500) => Some((dice.millis(500, 20_000), 1)),
            _ => None,
        }
    }

    /// After how many answers it changes its mind.
    pub(crate) fn patience(self, dice: &mut Dice) -> u32 {
        let answers = match self {
            Manner::Tardy => dice.between(1, 6),
            Manner::Fickle => dice.between(2, 12),
            _ => 0,
        };
        u32::try_from(answers).expect("they are few")
    }

    /// Whether it is well when it is asked the next time, after so many answers.
    pub(crate) fn is_fit(self, answers: u32, patience: u32, well: bool) -> bool {
        match self {
            Manner::Sick => false,
            Manner::Ill => well,
            Manner::Fickle => well || answers < patience,
            Manner::Tardy => well || answers >= patience,
            _ => true,
        }
    }
}
