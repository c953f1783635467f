// SPDX-License-Identifier: Apache-2.0
//! A buffer for each thread.

use std::cell::RefCell;

/// Size of the buffer: the largest datagram fits.
pub(super) const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// Lends this thread's buffer. Bytes pass through it within one call, never across a wait, so
/// ten thousand idle connections need no buffer at all.
///
/// `work` must not call this again.
pub(super) fn with_scratch<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with(|scratch| work(&mut scratch.borrow_mut()))
}
