// SPDX-License-Identifier: Apache-2.0
//! The labels that say whose a container is, and what it was made from.

use std::collections::HashMap;

use skep_agent::executor::ContainerWork;
use skep_core::model::{NodeId, Port, PortMode, Protocol, SwarmId, TaskId};

/// What every label of ours begins with; specs may not have such labels.
const PREFIX: &str = "skep.";

const SWARM: &str = "skep.swarm";
const NODE: &str = "skep.node";
const SERVICE: &str = "skep.service";
pub(crate) const TASK: &str = "skep.task";
const TEMPLATE_REVISION: &str = "skep.template_revision";
const PORTS: &str = "skep.ports";

/// Whose containers an executor looks after: several nodes may share one engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The swarm.
    pub swarm: SwarmId,
    /// The node.
    pub node: NodeId,
}

impl Owner {
    /// The labels by which the engine finds what belongs to this owner.
    pub(crate) fn filter(self) -> Vec<String> {
        vec![
            format!("{SWARM}={}", self.swarm),
            format!("{NODE}={}", self.node),
        ]
    }

    /// The labels of a container for this work: ours, which nothing in its spec can replace,
    /// and those that its spec gives it.
    pub(crate) fn labels(self, work: &ContainerWork) -> HashMap<String, String> {
        let spec = &work.launch.container.labels;
        let spec = spec.iter().filter(|(key, _)| !key.starts_with(PREFIX));
        let mut labels: HashMap<String, String> = spec
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let ours = [
            (SWARM, self.swarm.to_string()),
            (NODE, self.node.to_string()),
            (SERVICE, work.service_id.to_string()),
            (TASK, work.task.to_string()),
            (TEMPLATE_REVISION, work.template_revision.0.to_string()),
            (PORTS, ports_text(&work.ports)),
        ];
        labels.extend(ours.map(|(key, value)| (key.to_owned(), value)));
        labels
    }

    /// The task of a container with these labels, and the ports opened for it; nothing: it is
    /// not this owner's.
    pub(crate) fn read(self, labels: &HashMap<String, String>) -> Option<(TaskId, Vec<Port>)> {
        let text = |key: &str| labels.get(key).map(String::as_str);
        let ours = text(SWARM)?.parse() == Ok(self.swarm) && text(NODE)?.parse() == Ok(self.node);
        let task = text(TASK)?.parse().ok()?;
        ours.then(|| (task, read_ports(text(PORTS).unwrap_or_default())))
    }
}

/// The name of a task's container: for people the task's name, for us its id.
pub(crate) fn container_name(work: &ContainerWork) -> String {
    format!("{}.{}", work.name, work.task)
}

/// Ports such as "80:20001/tcp/ingress=web", with commas between them.
fn ports_text(ports: &[Port]) -> String {
    let ports = ports.iter().map(|port| {
        let mode = match port.mode {
            PortMode::Ingress => "ingress",
            PortMode::Host => "host",
        };
        let (target, published) = (port.target, port.published);
        format!(
            "{target}:{published}/{}/{mode}={}",
            port.protocol.as_str(),
            port.name
        )
    });
    ports.collect::<Vec<_>>().join(",")
}

fn read_ports(text: &str) -> Vec<Port> {
    text.split(',').filter_map(read_port).collect()
}

fn read_port(text: &str) -> Option<Port> {
    let (port, name) = text.split_once('=')?;
    let mut parts = port.split('/');
    let (target, published) = parts.next()?.split_once(':')?;
    Some(Port {
        target: target.parse().ok()?,
        published: published.parse().ok()?,
        protocol: match parts.next()? {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return None,
        },
        mode: match parts.next()? {
            "ingress" => PortMode::Ingress,
            "host" => PortMode::Host,
            _ => return None,
        },
        name: name.into(),
    })
}

#[cfg(test)]
mod tests {
    use skep_core::model::{Revision, ServiceId};

    use super::*;
    use crate::testing::work;

    const OWNER: Owner = Owner {
        swarm: SwarmId(1),
        node: NodeId(2),
    };

    fn published() -> ContainerWork {
        let port = |target, protocol, mode, name: &str| Port {
            target,
            published: 20_000 + target,
            protocol,
            mode,
            name: name.into(),
        };
        let mut work = work("web:1");
        work.service_id = ServiceId(3);
        work.template_revision = Revision(9);
        work.ports = vec![
            port(80, Protocol::Tcp, PortMode::Ingress, "web"),
            port(53, Protocol::Udp, PortMode::Host, ""),
        ];
        let labels = [
            ("team", "blue"),
            ("skep.node", "of another"),
            ("skep.x", ""),
        ];
        work.launch.container.labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        work
    }

    #[test]
    fn labels_tell_whose_a_container_is() {
        let work = published();
        let labels = OWNER.labels(&work);
        assert_eq!(OWNER.read(&labels), Some((work.task, work.ports)));
        assert_eq!(labels["team"], "blue");
        assert_eq!(labels["skep.template_revision"], "9");
        assert_eq!(labels["skep.service"], ServiceId(3).to_string());
        assert!(!labels.contains_key("skep.x"));
        for filter in OWNER.filter() {
            let (key, value) = filter.split_once('=').expect("a pair");
            assert_eq!(labels[key], value);
        }

        let another = Owner {
            node: NodeId(8),
            ..OWNER
        };
        assert_eq!(another.read(&labels), None);
        assert_eq!(OWNER.read(&HashMap::new()), None);
    }

    #[test]
    fn a_name_tells_people_and_us() {
        let work = published();
        assert_eq!(container_name(&work), format!("web.1.{}", work.task));
    }
}
