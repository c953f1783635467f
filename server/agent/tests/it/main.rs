// SPDX-License-Identifier: Apache-2.0
//! Tests of the agent: its executors with real processes, and all of it with a manager.

mod adopt;
mod agent;
mod limits;
mod logs;
mod process;
mod simulated;
mod start;
mod support;
