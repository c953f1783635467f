// SPDX-License-Identifier: Apache-2.0
//! The proxy on real sockets of the loopback interface. Each test has addresses of its own, so
//! tests never meet, also not those of another run on the same machine.

#![allow(
    clippy::unwrap_used,
    reason = "the whole of this binary is tests, its helpers included"
)]

mod backend;
mod harness;
mod lifetime;
mod table;
mod tcp;
mod udp;
