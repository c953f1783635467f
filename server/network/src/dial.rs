// SPDX-License-Identifier: Apache-2.0
//! How long a client is kept waiting for a backend, and whose fault a failed attempt is.

use std::io;
use std::time::Duration;

use crate::plane::is_out_of_files;

/// How long one attempt in the first round may take. A backend that answers takes a round trip.
const FIRST_TIMEOUT: Duration = Duration::from_millis(500);

/// How long one attempt in a later round may take: long enough for a first packet that was
/// lost to be sent again.
const LATER_TIMEOUT: Duration = Duration::from_secs(2);

/// When to give up on further backends, even in the first round.
const DEADLINE: Duration = Duration::from_secs(10);

/// Until when another round may begin. It covers a task that has started but does not listen
/// yet, and a table that is about to change.
const PATIENCE: Duration = Duration::from_secs(1);

/// Pause before the second round; doubled with each further one up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(25);

/// Longest pause between two rounds.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// The longest time one attempt may take in `round`, counted from 0.
pub(crate) fn attempt_timeout(round: u32) -> Duration {
    if round == 0 {
        FIRST_TIMEOUT
    } else {
        LATER_TIMEOUT
    }
}

/// Whether another backend may be tried after `waited`.
pub(crate) fn may_try(waited: Duration) -> bool {
    waited < DEADLINE
}

/// How long to wait before the round after `round`, or nothing to give up.
pub(crate) fn next_round(round: u32, waited: Duration) -> Option<Duration> {
    let pause = PAUSE
        .saturating_mul(1u32.checked_shl(round).unwrap_or(u32::MAX))
        .min(PAUSE_MAX);
    (waited + pause < PATIENCE).then_some(pause)
}

/// Whether a failed attempt speaks against the backend, and not against this machine.
pub(crate) fn blames_backend(error: &io::Error) -> bool {
    use nix::libc::{EADDRNOTAVAIL, ENOBUFS, ENOMEM};
    let ours = matches!(error.raw_os_error(), Some(EADDRNOTAVAIL | ENOBUFS | ENOMEM));
    !ours && !is_out_of_files(error)
}

/// Whether a failure to accept is of one client, which was gone before it was accepted; accept
/// passes on whatever became of the connection meanwhile.
pub(crate) fn is_of_one_client(error: &io::Error) -> bool {
    use nix::libc::{
        ECONNABORTED, ECONNRESET, EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETUNREACH, ENONET,
        ENOPROTOOPT, EOPNOTSUPP, EPERM, EPROTO, ETIMEDOUT,
    };
    matches!(
        error.raw_os_error(),
        Some(
            ECONNABORTED
                | ECONNRESET
                | EHOSTDOWN
                | EHOSTUNREACH
                | ENETDOWN
                | ENETUNREACH
                | ENONET
                | ENOPROTOOPT
                | EOPNOTSUPP
                | EPERM
                | EPROTO
                | ETIMEDOUT
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::libc;

    #[test]
    fn rounds_come_ever_more_seldom_and_end() {
        let mut waited = Duration::ZERO;
        let mut pauses = Vec::new();
        while let Some(pause) = next_round(pauses.len() as u32, waited) {
            waited += pause;
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [25, 50, 100, 200, 200, 200, 200]);
        assert_eq!(next_round(u32::MAX, Duration::ZERO), Some(PAUSE_MAX));
    }

    #[test]
    fn a_round_of_silent_backends_is_the_last_but_is_finished() {
        assert!(next_round(0, PATIENCE).is_none());
        assert!(may_try(PATIENCE) && !may_try(DEADLINE));
    }

    #[test]
    fn only_the_first_round_is_quick_to_give_up() {
        assert!(attempt_timeout(0) < attempt_timeout(1));
        assert_eq!(attempt_timeout(1), attempt_timeout(2));
    }

    #[test]
    fn want_of_our_own_means_is_not_the_backends_fault() {
        for ours in [
            libc::EMFILE,
            libc::ENFILE,
            libc::EADDRNOTAVAIL,
            libc::ENOBUFS,
        ] {
            assert!(!blames_backend(&io::Error::from_raw_os_error(ours)));
        }
        for theirs in [libc::ECONNREFUSED, libc::EHOSTUNREACH, libc::ENETUNREACH] {
            assert!(blames_backend(&io::Error::from_raw_os_error(theirs)));
        }
    }

    #[test]
    fn a_client_that_is_gone_does_not_hold_up_the_next() {
        assert!(is_of_one_client(&io::Error::from_raw_os_error(
            libc::ECONNABORTED
        )));
        assert!(!is_of_one_client(&io::Error::from_raw_os_error(
            libc::EMFILE
        )));
        assert!(!is_of_one_client(&io::Error::other("the runtime is gone")));
    }
}
