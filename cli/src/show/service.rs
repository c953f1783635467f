// SPDX-License-Identifier: Apache-2.0
//! Services in a table.

use skep_sdk::Identified;
use skep_sdk::v1::port::Mode as PortMode;
use skep_sdk::v1::task_template::Workload;
use skep_sdk::v1::{Container, Port, Process, Service, ServiceSpec};

use super::runs::{runs, runs_cell};
use crate::output::human::id;
use crate::output::listing::{Column, Listing, Row, hidden, shown};
use crate::output::words;
use crate::parse::publish::{format_ports, mode_of};

const COLUMNS: [Column; 7] = [
    shown("ID", "ID"),
    shown("Name", "NAME"),
    shown("Mode", "MODE"),
    shown("Replicas", "REPLICAS"),
    shown("Image", "IMAGE"),
    shown("Ports", "PORTS"),
    hidden("Labels", "LABELS"),
];

/// Services by name.
pub(crate) fn listing(mut services: Vec<Service>, whole: bool) -> Listing<Service> {
    services.sort_by_cached_key(|service| (name_of(service), service.id().to_owned()));
    let rows = services
        .into_iter()
        .map(|service| row(service, whole))
        .collect();
    Listing {
        columns: &COLUMNS,
        rows,
        min_width: 10,
    }
}

fn row(object: Service, whole: bool) -> Row<Service> {
    let spec = object.spec.clone().unwrap_or_default();
    let labels: Vec<String> = spec
        .labels
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    let cells = vec![
        id(object.id(), whole),
        spec.name.clone(),
        words::mode(spec.mode.as_ref()).to_owned(),
        replicas(&object),
        runs_cell(&runs(spec.template.as_ref()), whole),
        format_ports(&ingress_ports(&object)),
        labels.join(","),
    ];
    Row {
        id: object.id().to_owned(),
        object,
        cells,
    }
}

fn name_of(service: &Service) -> String {
    service
        .spec
        .as_ref()
        .map_or_else(String::new, |spec| spec.name.clone())
}

/// The process of a service.
pub(super) fn process_of(spec: &ServiceSpec) -> Option<&Process> {
    match spec.template.as_ref()?.workload.as_ref()? {
        Workload::Process(process) => Some(process),
        Workload::Container(_) => None,
    }
}

/// The container of a service.
pub(super) fn container_of(spec: &ServiceSpec) -> Option<&Container> {
    match spec.template.as_ref()?.workload.as_ref()? {
        Workload::Container(container) => Some(container),
        Workload::Process(_) => None,
    }
}

/// `2/3`, with the limit per node if there is one.
pub(crate) fn replicas(service: &Service) -> String {
    let status = service.status.clone().unwrap_or_default();
    let placement = service
        .spec
        .as_ref()
        .and_then(|spec| spec.template.as_ref()?.placement.as_ref());
    let max = placement.map_or(0, |placement| placement.max_replicas_per_node);
    let count = format!("{}/{}", status.running_tasks, status.desired_tasks);
    if max == 0 {
        count
    } else {
        format!("{count} (max {max} per node)")
    }
}

/// Ports that every node answers on, with the numbers the managers chose.
fn ingress_ports(service: &Service) -> Vec<Port> {
    let ports = service
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.ports);
    ports
        .iter()
        .filter(|port| mode_of(port) == PortMode::Ingress)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ListFlags;
    use crate::output::format::Format;
    use crate::sample;

    #[test]
    fn services_are_listed_as_docker_does() {
        let services = vec![sample::service(), sample::global_service()];
        let flags = ListFlags {
            quiet: false,
            filter: vec![],
            format: Format::Table,
            no_trunc: false,
        };
        let text = listing(services.clone(), false).render(&flags).unwrap();
        crate::golden::check("service-ls.txt", &text);
        let text = listing(services, true).render(&flags).unwrap();
        crate::golden::check("service-ls-no-trunc.txt", &text);
    }
}
