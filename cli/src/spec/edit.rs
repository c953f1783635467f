// SPDX-License-Identifier: Apache-2.0
//! Lists and maps of a spec that flags take from and add to: first all that is to go, then all
//! that is to come, as in Docker. Each kind of entry says here what tells one from another.

use std::collections::BTreeMap;

use skep_sdk::v1::{HostEntry, Mount, Port, Requirement};

use crate::parse::constraint::{format_requirement, is_same};
use crate::parse::host::Unhost;
use crate::parse::publish::{Unpublish, mode_of, protocol_of};

/// What was to go and was not there, a line each.
#[derive(Debug, Default)]
pub(super) struct Notices(pub(super) Vec<String>);

impl Notices {
    fn missing(&mut self, what: &str, name: &str) {
        self.0.push(format!("{what} {name} was not there"));
    }
}

/// What is to go from a list, and what is to come to it.
#[derive(Debug)]
pub(super) struct Change<'a, Gone, New> {
    gone: &'a [Gone],
    pub(super) new: &'a [New],
}

impl<Gone, New> Clone for Change<'_, Gone, New> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Gone, New> Copy for Change<'_, Gone, New> {}

impl<'a, Gone, New> Change<'a, Gone, New> {
    /// What comes to a list that is new.
    pub(super) fn only(new: &'a [New]) -> Self {
        Self { gone: &[], new }
    }

    /// What goes from a list and comes to it.
    pub(super) fn both(gone: &'a [Gone], new: &'a [New]) -> Self {
        Self { gone, new }
    }

    /// Whether nothing is to go or to come.
    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty()
    }
}

/// How much of an entry is to go.
pub(super) enum Taken {
    /// Nothing.
    None,
    /// Something: the rest stays.
    Part,
    /// All of it.
    Whole,
}

/// An entry of a list.
pub(super) trait Entry: Clone {
    /// What names an entry that is to go.
    type Key;

    /// A key as it is written.
    fn name(key: &Self::Key) -> String;

    /// Takes away what a key names.
    fn take(&mut self, key: &Self::Key) -> Taken;

    /// Whether both say the same thing, so that there is to be one of them.
    fn is_same(&self, other: &Self) -> bool;

    /// Becomes the other one, that says the same thing.
    fn renew(&mut self, _other: &Self) {}
}

/// Changes a list.
pub(super) fn edit<T: Entry>(
    list: &mut Vec<T>,
    what: &str,
    change: Change<'_, T::Key, T>,
    notices: &mut Notices,
) {
    for key in change.gone {
        let mut is_there = false;
        list.retain_mut(|entry| {
            let taken = entry.take(key);
            is_there |= !matches!(taken, Taken::None);
            !matches!(taken, Taken::Whole)
        });
        if !is_there {
            notices.missing(what, &T::name(key));
        }
    }
    for new in change.new {
        match list.iter_mut().find(|known| known.is_same(new)) {
            Some(known) => known.renew(new),
            None => list.push(new.clone()),
        }
    }
}

/// Changes a map.
pub(super) fn edit_map<V: Clone>(
    map: &mut BTreeMap<String, V>,
    what: &str,
    change: Change<'_, String, (String, V)>,
    notices: &mut Notices,
) {
    for key in change.gone {
        if map.remove(key).is_none() {
            notices.missing(what, key);
        }
    }
    map.extend(change.new.iter().cloned());
}

fn whole(hit: bool) -> Taken {
    if hit { Taken::Whole } else { Taken::None }
}

impl Entry for String {
    type Key = String;

    fn name(key: &String) -> String {
        key.clone()
    }

    fn take(&mut self, key: &String) -> Taken {
        whole(self == key)
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Entry for Requirement {
    type Key = Requirement;

    fn name(key: &Requirement) -> String {
        format_requirement(key)
    }

    fn take(&mut self, key: &Requirement) -> Taken {
        whole(is_same(self, key))
    }

    fn is_same(&self, other: &Self) -> bool {
        is_same(self, other)
    }
}

impl Entry for Port {
    type Key = Unpublish;

    fn name(key: &Unpublish) -> String {
        key.to_string()
    }

    fn take(&mut self, key: &Unpublish) -> Taken {
        whole(key.hits(self))
    }

    /// Publishing both would publish one thing twice.
    fn is_same(&self, other: &Self) -> bool {
        let key = |port: &Port| {
            (
                port.target,
                port.published,
                protocol_of(port),
                mode_of(port),
            )
        };
        key(self) == key(other)
    }

    fn renew(&mut self, other: &Self) {
        self.clone_from(other);
    }
}

impl Entry for Mount {
    /// Its target.
    type Key = String;

    fn name(key: &String) -> String {
        key.clone()
    }

    fn take(&mut self, key: &String) -> Taken {
        whole(self.target == *key)
    }

    /// One thing can be mounted at a target.
    fn is_same(&self, other: &Self) -> bool {
        self.target == other.target
    }

    fn renew(&mut self, other: &Self) {
        self.clone_from(other);
    }
}

impl Entry for HostEntry {
    type Key = Unhost;

    fn name(key: &Unhost) -> String {
        key.to_string()
    }

    /// A line may have several names: the others stay.
    fn take(&mut self, key: &Unhost) -> Taken {
        if !key.hits(self) {
            return Taken::None;
        }
        self.names.retain(|name| name != key.name());
        if self.names.is_empty() {
            Taken::Whole
        } else {
            Taken::Part
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.ip == other.ip && other.names.iter().all(|name| self.names.contains(name))
    }
}
