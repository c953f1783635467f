// SPDX-License-Identifier: Apache-2.0
//! Creating, changing and deleting services.

use std::sync::Arc;

use crate::model::{
    IdSource, Mode, ObjectId, Port, Revision, Service, ServiceId, ServiceSpec, Task, TaskTemplate,
    name_key,
};
use crate::state::{Found, Precondition, State, Write};

use super::find::{allow_missing, check_spec_revision, find_service};
use super::{Admitted, Context, Kind, Rejection, ports, rollout};

/// Creates a service.
///
/// # Errors
/// If its name or one of its ports is taken, or no port is left.
pub fn create_service(
    state: &State,
    spec: ServiceSpec,
    ctx: &Context,
    ids: &mut dyn IdSource,
) -> Result<Admitted, Rejection> {
    if let Found::One(known) = state.find_service(spec.name.as_str()) {
        return Err(Rejection::NameTaken {
            name: known.spec.name.clone(),
            id: ObjectId::Service(known.meta.id),
            deleting: known.is_deleting(),
        });
    }
    let id = ServiceId(ids.next_id());
    let ports = ports::choose(state, id, &spec.ports, None)?;
    let write = Write::CreateService {
        id,
        spec: Arc::new(spec),
        ports,
    };
    Ok(ctx.change(ObjectId::Service(id), Vec::new(), vec![write]))
}

/// Gives a service another spec; an equal one changes nothing, but resumes a rollout that is
/// paused.
///
/// # Errors
/// If it is being deleted, `if_spec_revision` is not the present one, what is fixed would
/// change, or a port is taken or none left.
pub fn update_service(
    state: &State,
    service: &Service,
    spec: ServiceSpec,
    if_spec_revision: Option<Revision>,
    ctx: &Context,
) -> Result<Admitted, Rejection> {
    let id = service.meta.id;
    if service.is_deleting() {
        return Err(Rejection::Deleting {
            kind: Kind::Service,
            name: service.spec.name.clone(),
        });
    }
    check_spec_revision(if_spec_revision, service.meta.spec_revision)?;
    check_fixed(&service.spec, &spec)?;
    if *service.spec == spec {
        let already = Admitted::AlreadySo(Some(ObjectId::Service(id)));
        return Ok(rollout::resume_paused(service, ctx).unwrap_or(already));
    }
    let ports = ports::choose(state, id, &spec.ports, Some(service))?;
    let new_template = template_differs(&service.spec.template, &spec.template)
        || ports::tasks_differ(&service.ports, &ports);
    let known = still_run(state, service, &spec, &ports).filter(|_| new_template);
    let spec = Arc::new(spec);
    let write = match known {
        Some(revision) => Write::ReuseTemplate {
            service: id,
            spec,
            ports,
            revision,
            back: None,
        },
        None => Write::PutServiceSpec {
            service: id,
            spec,
            ports,
            new_template,
        },
    };
    Ok(ctx.change(ObjectId::Service(id), vec![unchanged(service)], vec![write]))
}

/// Makes the service that a request calls `reference` so: creates it if there is none.
///
/// # Errors
/// As [`create_service`] and [`update_service`], and if there is none and `reference` is not the
/// name in the spec: then what to create is not clear.
pub fn put_service(
    state: &State,
    reference: &str,
    spec: ServiceSpec,
    ctx: &Context,
    ids: &mut dyn IdSource,
) -> Result<Admitted, Rejection> {
    let found = find_service(state, reference);
    match allow_missing(found, name_key(reference) == *spec.name.key())? {
        Some(service) => update_service(state, &service, spec, None, ctx),
        None => create_service(state, spec, ctx, ids),
    }
}

/// Begins the deletion of a service.
///
/// # Errors
/// If `if_spec_revision` is not the present one.
pub fn delete_service(
    service: &Service,
    if_spec_revision: Option<Revision>,
    ctx: &Context,
) -> Result<Admitted, Rejection> {
    let id = service.meta.id;
    check_spec_revision(if_spec_revision, service.meta.spec_revision)?;
    if service.is_deleting() {
        return Ok(Admitted::AlreadySo(Some(ObjectId::Service(id))));
    }
    let write = Write::MarkServiceDeleting { service: id };
    Ok(ctx.change(ObjectId::Service(id), vec![unchanged(service)], vec![write]))
}

/// That the service is there and has the spec that was looked at.
fn unchanged(service: &Service) -> Precondition {
    let object = ObjectId::Service(service.meta.id);
    Precondition::SpecRevision(object, service.meta.spec_revision)
}

fn check_fixed(present: &ServiceSpec, wanted: &ServiceSpec) -> Result<(), Rejection> {
    if present.name != wanted.name {
        return Err(Rejection::Field {
            field: "spec.name".to_owned(),
            description: format!(
                "is \"{}\"; the service is named \"{}\", and a name is fixed",
                wanted.name, present.name
            ),
        });
    }
    let (field, kept) = match (present.mode, wanted.mode) {
        (Mode::Replicated { .. }, Mode::EveryNode) => ("spec.every_node", "replicated"),
        (Mode::EveryNode, Mode::Replicated { .. }) => ("spec.replicated", "every_node"),
        _ => return Ok(()),
    };
    Err(Rejection::Field {
        field: field.to_owned(),
        description: format!(
            "the mode of the service is {kept} and fixed; delete the service and create it anew"
        ),
    })
}

/// The revision that says what this spec says, if tasks are still made from it: then they stay
/// as they are.
fn still_run(
    state: &State,
    service: &Service,
    spec: &ServiceSpec,
    ports: &[Port],
) -> Option<Revision> {
    let id = service.meta.id;
    let same = state.templates(id).filter(|(revision, kept)| {
        *revision != service.template_revision
            && !template_differs(&kept.template, &spec.template)
            && !ports::tasks_differ(&kept.ports, ports)
    });
    let same: Vec<Revision> = same.map(|(revision, _)| revision).collect();
    let mut tasks = state.service_tasks(id).filter(|task| task.is_wanted());
    let of_those = |task: &Arc<Task>| same.contains(&task.template_revision);
    tasks
        .find(|task| of_those(task))
        .map(|task| task.template_revision)
}

/// Whether tasks made from one template will not do for the other. Placement and restart only
/// say where tasks go and what follows them.
fn template_differs(present: &TaskTemplate, wanted: &TaskTemplate) -> bool {
    let TaskTemplate {
        workload,
        reservations,
        limits,
        placement: _,
        restart: _,
        stop,
        health_check,
        mounts,
        log_driver,
        restart_token,
    } = present;
    *workload != wanted.workload
        || *reservations != wanted.reservations
        || *limits != wanted.limits
        || *stop != wanted.stop
        || *health_check != wanted.health_check
        || *mounts != wanted.mounts
        || *log_driver != wanted.log_driver
        || *restart_token != wanted.restart_token
}
