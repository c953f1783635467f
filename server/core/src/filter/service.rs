// SPDX-License-Identifier: Apache-2.0
//! Filters of services.

use crate::model::{Requirement, Service, ServiceId};

use super::{ObjectKey, Reference, any_or_empty};

/// An attribute of a service that a filter can ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServiceFilterKey {
    /// `name` or `labels.KEY`
    Object(ObjectKey),
    /// `mode`: "replicated" or "every-node"
    Mode,
}

impl ServiceFilterKey {
    /// The keys there are, for messages about keys that there are not.
    pub const KNOWN: &'static str = "name, mode and labels.KEY";

    /// Takes a text for a key; nothing if there is no such attribute.
    #[must_use]
    pub fn parse(text: &str) -> Option<ServiceFilterKey> {
        if text == "mode" {
            return Some(ServiceFilterKey::Mode);
        }
        ObjectKey::parse(text).map(ServiceFilterKey::Object)
    }
}

/// Which services.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ServiceFilter {
    /// These.
    pub services: Vec<Reference<ServiceId>>,
    /// All must hold.
    pub requirements: Vec<Requirement<ServiceFilterKey>>,
}

impl ServiceFilter {
    /// Whether a service fits.
    #[must_use]
    pub fn matches(&self, service: &Service) -> bool {
        let spec = &service.spec;
        any_or_empty(&self.services, |s| {
            s.means(&service.meta.id, spec.name.as_str())
        }) && self
            .requirements
            .iter()
            .all(|requirement| match &requirement.key {
                ServiceFilterKey::Object(ObjectKey::Name) => {
                    requirement.holds(Some(spec.name.as_str()))
                }
                ServiceFilterKey::Object(ObjectKey::Label(key)) => {
                    requirement.holds(spec.labels.get(key).map(String::as_str))
                }
                ServiceFilterKey::Mode => requirement.holds(Some(spec.mode.as_str())),
            })
    }
}
