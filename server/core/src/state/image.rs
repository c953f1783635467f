// SPDX-License-Identifier: Apache-2.0
//! The state taken apart for a snapshot, and put together again.

use std::sync::Arc;

use crate::model::{KeptTemplate, Node, Revision, Service, ServiceId, Swarm, Task, Timestamp};

use super::{RequestRecord, State, derive};

/// Everything of a state that does not follow from the rest.
#[derive(Clone, Default, Debug)]
pub struct StateImage {
    /// The revision.
    pub revision: Revision,
    /// The leader's clock.
    pub time: Timestamp,
    /// The swarm.
    pub swarm: Option<Arc<Swarm>>,
    /// The nodes.
    pub nodes: Vec<Arc<Node>>,
    /// The services; of their status, only the times of the conditions are read.
    pub services: Vec<Arc<Service>>,
    /// The templates that tasks are made from.
    pub templates: Vec<(ServiceId, Revision, Arc<KeptTemplate>)>,
    /// The tasks.
    pub tasks: Vec<Arc<Task>>,
    /// The requests that are remembered.
    pub requests: Vec<Arc<RequestRecord>>,
}

impl State {
    /// Takes the state apart.
    #[must_use]
    pub fn image(&self) -> StateImage {
        StateImage {
            revision: self.revision,
            time: self.time,
            swarm: self.swarm.clone(),
            nodes: self.nodes.values().cloned().collect(),
            services: self.services.values().cloned().collect(),
            templates: self
                .templates
                .iter()
                .map(|((service, revision), kept)| (*service, *revision, kept.clone()))
                .collect(),
            tasks: self.tasks.values().cloned().collect(),
            requests: self.requests.values().cloned().collect(),
        }
    }

    /// Puts a state together, with everything that follows.
    #[must_use]
    pub fn from_image(image: StateImage) -> State {
        let mut state = State {
            revision: image.revision,
            time: image.time,
            swarm: image.swarm,
            ..State::default()
        };
        for (service, revision, kept) in image.templates {
            state.templates.insert((service, revision), kept);
        }
        for node in image.nodes {
            state.insert_node(node);
        }
        for service in image.services {
            state.insert_service(service);
        }
        for task in image.tasks {
            state.insert_task(task);
        }
        for request in image.requests {
            state.insert_request(request);
        }
        state.derive_all();
        state
    }

    fn derive_all(&mut self) {
        for node in self.nodes.values().cloned().collect::<Vec<_>>() {
            let load = self.load(node.meta.id);
            let mut node = Node::clone(&node);
            node.status.reserved = load.reserved;
            node.status.active_tasks = load.active_tasks;
            self.insert_node(Arc::new(node));
        }
        for service in self.services.values().cloned().collect::<Vec<_>>() {
            let desired = match service.spec.mode.replicas() {
                _ if service.is_deleting() => 0,
                Some(replicas) => replicas,
                None => self.nodes_wanted(&service),
            };
            let status = derive::service_status(self, &service, desired, self.time);
            let mut service = Service::clone(&service);
            service.status = status;
            self.insert_service(Arc::new(service));
        }
    }
}
