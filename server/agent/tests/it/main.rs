// SPDX-License-Identifier: Apache-2.0
//! Tests of the agent with real processes.

mod adopt;
mod limits;
mod logs;
mod process;
mod simulated;
mod start;
mod support;
