// SPDX-License-Identifier: Apache-2.0
//! The values of flags, from text: pure functions that either give a value or say in one line
//! what is wrong and how to write it.

pub(crate) mod constraint;
pub(crate) mod duration;
pub(crate) mod env_file;
pub(crate) mod health;
pub(crate) mod host;
pub(crate) mod mount;
pub(crate) mod options;
pub(crate) mod pair;
pub(crate) mod publish;
pub(crate) mod quantity;
pub(crate) mod ulimit;
pub(crate) mod when;
pub(crate) mod words;
