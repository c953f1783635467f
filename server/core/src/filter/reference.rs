// SPDX-License-Identifier: Apache-2.0
//! A text that means an object by its id or by its name.

use std::str::FromStr;
use std::sync::Arc;

use crate::model::name_key;

/// An id of kind `I`, or a name without regard to case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reference<I> {
    /// By id.
    Id(I),
    /// By name, in lower case.
    Name(Arc<str>),
}

impl<I: FromStr + PartialEq> Reference<I> {
    /// Takes a text: an id if it looks like one, else a name. The two never look alike.
    #[must_use]
    pub fn parse(text: &str) -> Reference<I> {
        match text.parse() {
            Ok(id) => Reference::Id(id),
            Err(_) => Reference::Name(name_key(text).into()),
        }
    }

    /// Whether it means the object with this id and name.
    #[must_use]
    pub fn means(&self, id: &I, name: &str) -> bool {
        match self {
            Reference::Id(meant) => meant == id,
            Reference::Name(meant) => **meant == *name_key(name),
        }
    }
}
