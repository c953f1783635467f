// SPDX-License-Identifier: Apache-2.0
//! Writing services.

use std::sync::Arc;

use crate::model::{
    KeptTemplate, Meta, ObjectId, Port, Revision, Rollout, RolloutState, Service, ServiceId,
    ServiceSpec, ServiceStatus,
};

use super::{Before, Writing};

impl Writing<'_> {
    pub(super) fn create_service(
        &mut self,
        id: ServiceId,
        spec: &Arc<ServiceSpec>,
        ports: &[Port],
    ) {
        self.keep_template(id, spec, ports);
        self.put_service(Service {
            meta: Meta::new(id, self.revision, self.time),
            spec: spec.clone(),
            template_revision: self.revision,
            rollout: None,
            ports: ports.to_vec(),
            image: Arc::default(),
            status: ServiceStatus::default(),
        });
    }

    pub(super) fn put_service_spec(
        &mut self,
        id: ServiceId,
        spec: &Arc<ServiceSpec>,
        ports: &[Port],
        new_template: bool,
    ) {
        let time = self.time;
        if new_template {
            self.keep_template(id, spec, ports);
        } else if let Some(service) = self.state.service(id) {
            self.renew_template(id, service.template_revision, spec, ports);
        }
        self.edit_service(id, |service, revision| {
            service.meta.spec_revision = revision;
            service.spec = spec.clone();
            service.ports = ports.to_vec();
            if new_template {
                let way = (service.template_revision, revision);
                let rollout = Rollout::begin(RolloutState::Updating, way, revision, time);
                service.rollout = Some(rollout);
                service.template_revision = revision;
                service.image = Arc::default();
            }
        });
    }

    /// Notes what in a template tasks take over without being made anew: where new ones go,
    /// what follows them, and what their ports are called.
    pub(super) fn renew_template(
        &mut self,
        service: ServiceId,
        revision: Revision,
        spec: &ServiceSpec,
        ports: &[Port],
    ) {
        let Some(kept) = self.state.template(service, revision) else {
            return;
        };
        let renewed = KeptTemplate {
            template: spec.template.clone(),
            ports: ports.to_vec(),
            asked: spec.ports.clone(),
            ..KeptTemplate::clone(kept)
        };
        if **kept != renewed {
            let key = (service, revision);
            self.state.templates.insert(key, Arc::new(renewed));
        }
    }

    pub(super) fn keep_template(&mut self, service: ServiceId, spec: &ServiceSpec, ports: &[Port]) {
        let kept = KeptTemplate {
            template: spec.template.clone(),
            ports: ports.to_vec(),
            image: Arc::default(),
            asked: spec.ports.clone(),
            create_time: self.time,
            caller: self.caller.clone(),
            good: false,
        };
        self.state
            .templates
            .insert((service, self.revision), Arc::new(kept));
    }

    /// Pins a template to the digest that the first of its tasks found.
    pub(super) fn pin_image(&mut self, service: ServiceId, revision: Revision, image: &Arc<str>) {
        let Some(kept) = self.state.template(service, revision) else {
            return;
        };
        if !image.contains('@') || !kept.is_to_be_pinned() {
            return;
        }
        let pinned = KeptTemplate {
            image: image.clone(),
            ..KeptTemplate::clone(kept)
        };
        self.state
            .templates
            .insert((service, revision), Arc::new(pinned));
        self.edit_service(service, |service, _| {
            if service.template_revision == revision {
                service.image = image.clone();
            }
        });
    }

    pub(super) fn mark_deleting(&mut self, id: ServiceId) {
        let time = self.time;
        self.edit_service(id, |service, _| {
            service.meta.delete_time.get_or_insert(time);
        });
    }

    pub(super) fn edit_service(
        &mut self,
        id: ServiceId,
        edit: impl FnOnce(&mut Service, Revision),
    ) {
        let Some(known) = self.state.service(id) else {
            return;
        };
        let mut service = Service::clone(known);
        edit(&mut service, self.revision);
        if **known != service {
            service.meta.touch(self.revision, self.time);
            self.put_service(service);
        }
    }

    pub(super) fn put_service(&mut self, service: Service) {
        let id = service.meta.id;
        let before = self.state.insert_service(Arc::new(service));
        self.note_service(id, before);
        self.services.insert(id, true);
    }

    pub(super) fn delete_service(&mut self, id: ServiceId) {
        if let Some(before) = self.state.remove_service(id) {
            self.note_service(id, Some(before));
        }
    }

    pub(super) fn note_service(&mut self, id: ServiceId, before: Option<Arc<Service>>) {
        if self.seen.insert(ObjectId::Service(id)) {
            self.order.push(Before::Service(id, before));
        }
    }

    pub(super) fn drop_template(&mut self, service: ServiceId, revision: Revision) {
        let present = self
            .state
            .service(service)
            .map(|service| service.template_revision);
        let used = self
            .state
            .service_tasks(service)
            .any(|task| task.template_revision == revision);
        if present != Some(revision) && !used {
            self.state.templates.remove(&(service, revision));
        }
    }
}
