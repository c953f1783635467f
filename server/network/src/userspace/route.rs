// SPDX-License-Identifier: Apache-2.0
//! Where the connections of one published port go.

use std::sync::Arc;

use skep_core::model::{Port, ServiceEndpoints, ServiceId};

use super::connections::Connections;
use crate::balance::{Cursor, Targets};

/// Where the connections of one published port go. Never changed, only replaced.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) service: ServiceId,
    pub(super) targets: Targets,
    pub(super) cursor: Arc<Cursor>,
    pub(super) connections: Arc<Connections>,
}

impl Route {
    /// The first route of a port.
    pub(super) fn new(
        endpoints: &ServiceEndpoints,
        port: &Port,
        connections: Arc<Connections>,
        cursor: Cursor,
    ) -> Route {
        Route {
            service: endpoints.service,
            targets: Targets::of(endpoints, port, &Targets::default()),
            cursor: Arc::new(cursor),
            connections,
        }
    }

    /// The route that follows upon this one.
    pub(super) fn next(
        &self,
        endpoints: &ServiceEndpoints,
        port: &Port,
        connections: Arc<Connections>,
    ) -> Route {
        Route {
            service: endpoints.service,
            targets: Targets::of(endpoints, port, &self.targets),
            cursor: Arc::clone(&self.cursor),
            connections,
        }
    }
}
