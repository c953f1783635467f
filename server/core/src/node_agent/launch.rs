// SPDX-License-Identifier: Apache-2.0
//! What exactly a task runs on this node, with every choice made.

use crate::assign::{AssignedTask, AssignedTemplate};
use crate::model::{
    Container, HealthCheck, Labels, LogDriver, Mount, MountSource, NodeId, Platform, Port, Process,
    Protocol, ResourceLimits, Resources, Revision, ServiceId, TaskId, Workload,
};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{BadPlaceholder, Placeholder, StopHow, expand};

/// Where programs are looked for unless a spec says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a task may know of the node it is on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeFacts {
    /// The node.
    pub id: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Arc<Labels>,
    /// Its host name.
    pub hostname: String,
    /// Its platform.
    pub platform: Platform,
    /// The address that tasks listen on.
    pub address: IpAddr,
}

/// What one task runs on this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Launch {
    /// The task.
    pub task: TaskId,
    /// Its name.
    pub name: Arc<str>,
    /// Its service.
    pub service_id: ServiceId,
    /// Name of its service.
    pub service: Arc<str>,
    /// What it is made from.
    pub template_revision: Revision,
    /// Its slot; 0: one task a node.
    pub slot: u32,
    /// What runs.
    pub program: Program,
    /// Set aside for it.
    pub reservations: Resources,
    /// The most it may use.
    pub limits: ResourceLimits,
    /// Ports opened for it: `published` is the one on the node. A program must listen on it; a
    /// container listens on `target`.
    pub ports: Vec<Port>,
    /// How it is stopped.
    pub stop: StopHow,
}

/// What runs, with its placeholders filled in and its environment whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Program {
    /// A program on the node itself.
    Process(Process),
    /// A container.
    Container(Box<ContainerLaunch>),
}

/// A container and what surrounds it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ContainerLaunch {
    /// The container.
    pub container: Container,
    /// File systems to mount.
    pub mounts: Vec<Mount>,
    /// Where its output goes; none: its default.
    pub log_driver: Option<LogDriver>,
    /// How to tell that it works; none: its image's own check, if it has one.
    pub health_check: Option<HealthCheck>,
}

/// What a task runs, with these ports opened for it.
///
/// # Errors
/// If a value that may hold placeholders has one there is not; a spec with one is refused
/// when it is made.
pub fn launch(
    task: &AssignedTask,
    template: &AssignedTemplate,
    node: &NodeFacts,
    ports: Vec<Port>,
) -> Result<Launch, BadPlaceholder> {
    let facts = Facts {
        task,
        template,
        node,
    };
    let spec = &template.template;
    let program = match &spec.workload {
        Workload::Process(process) => Program::Process(Process {
            env: facts.environment(process, &ports)?,
            ..process.clone()
        }),
        Workload::Container(container) => Program::Container(Box::new(facts.container(container)?)),
    };
    Ok(Launch {
        task: task.id,
        name: task.name.clone(),
        service_id: template.service,
        service: template.service_name.clone(),
        template_revision: template.revision,
        slot: task.slot,
        program,
        reservations: spec.reservations,
        limits: spec.limits,
        ports,
        stop: StopHow::of(Some(spec)),
    })
}

struct Facts<'a> {
    task: &'a AssignedTask,
    template: &'a AssignedTemplate,
    node: &'a NodeFacts,
}

impl Facts<'_> {
    /// What the spec says, and what every task is told besides; where both name something,
    /// the spec holds.
    fn environment(
        &self,
        process: &Process,
        ports: &[Port],
    ) -> Result<BTreeMap<String, String>, BadPlaceholder> {
        let mut env = self.given();
        env.insert("PATH".to_owned(), PATH.to_owned());
        env.insert("SKEP_ADDR".to_owned(), self.node.address.to_string());
        for port in ports {
            let number = port.published.to_string();
            env.insert(format!("SKEP_PORT_{}", port.target), number);
        }
        // Programs that go by PORT speak TCP, unless nothing but UDP is published.
        let published = |port: &&Port| {
            let same = |it: &Port| (it.target, it.protocol) == (port.target, Protocol::Tcp);
            port.protocol == Protocol::Tcp && self.template.ports.iter().any(same)
        };
        if let Some(own) = ports.iter().find(published).or(ports.first()) {
            env.insert("PORT".to_owned(), own.published.to_string());
        }
        self.fill(&mut env, &process.env)?;
        Ok(env)
    }

    fn container(&self, container: &Container) -> Result<ContainerLaunch, BadPlaceholder> {
        let image = match &*self.template.image {
            "" => container.image.clone(),
            pinned => pinned.to_owned(),
        };
        let spec = &self.template.template;
        let mut env = self.given();
        self.fill(&mut env, &container.env)?;
        Ok(ContainerLaunch {
            container: Container {
                image,
                env,
                hostname: self.filled(&container.hostname)?,
                ..container.clone()
            },
            mounts: spec
                .mounts
                .iter()
                .map(|mount| self.mount(mount))
                .collect::<Result<_, _>>()?,
            log_driver: spec.log_driver.clone(),
            health_check: spec.health_check.clone(),
        })
    }

    fn mount(&self, mount: &Mount) -> Result<Mount, BadPlaceholder> {
        let mut mount = mount.clone();
        match &mut mount.source {
            MountSource::Bind(bind) => bind.path = self.filled(&bind.path)?,
            MountSource::Volume(volume) => volume.name = self.filled(&volume.name)?,
            MountSource::Tmpfs(_) => {}
        }
        Ok(mount)
    }

    fn fill(
        &self,
        env: &mut BTreeMap<String, String>,
        spec: &BTreeMap<String, String>,
    ) -> Result<(), BadPlaceholder> {
        for (key, text) in spec {
            env.insert(key.clone(), self.filled(text)?);
        }
        Ok(())
    }

    fn filled(&self, text: &str) -> Result<String, BadPlaceholder> {
        expand(text, |placeholder| self.value(placeholder))
    }

    fn given(&self) -> BTreeMap<String, String> {
        let given = [
            ("SKEP_TASK_ID", self.task.id.to_string()),
            ("SKEP_TASK_NAME", self.task.name.to_string()),
            ("SKEP_SERVICE_NAME", self.template.service_name.to_string()),
            ("SKEP_NODE_NAME", self.node.name.to_string()),
            ("SKEP_SLOT", self.task.slot.to_string()),
        ];
        given
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }

    fn value(&self, placeholder: Placeholder<'_>) -> String {
        let label = |labels: &Labels, key| labels.get(key).cloned().unwrap_or_default();
        match placeholder {
            Placeholder::ServiceId => self.task.service.to_string(),
            Placeholder::ServiceName => self.template.service_name.to_string(),
            Placeholder::ServiceLabel(key) => label(&self.template.service_labels, key),
            Placeholder::NodeId => self.node.id.to_string(),
            Placeholder::NodeName => self.node.name.to_string(),
            Placeholder::NodeHostname => self.node.hostname.clone(),
            Placeholder::NodeOs => self.node.platform.os.clone(),
            Placeholder::NodeArchitecture => self.node.platform.architecture.clone(),
            Placeholder::NodeLabel(key) => label(&self.node.labels, key),
            Placeholder::TaskId => self.task.id.to_string(),
            Placeholder::TaskName => self.task.name.to_string(),
            Placeholder::TaskSlot => self.task.slot.to_string(),
        }
    }
}
