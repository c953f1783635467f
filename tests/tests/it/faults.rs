// SPDX-License-Identifier: Apache-2.0
//! What goes wrong around a daemon, and what it says then.

mod disk;
mod refused;
mod requests;
