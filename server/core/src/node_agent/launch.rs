// SPDX-License-Identifier: Apache-2.0
//! What exactly a task runs on this node, with every choice made.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::assign::{AssignedTask, AssignedTemplate};
use crate::model::{
    Labels, NodeId, Platform, Port, Process, ResourceLimits, TaskId, Ulimit, Workload,
};

use super::{BadPlaceholder, Placeholder, expand};

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
    /// Name of its service.
    pub service: Arc<str>,
    /// Its slot; 0: one task a node.
    pub slot: u32,
    /// Program and leading arguments.
    pub command: Vec<String>,
    /// Arguments that follow.
    pub args: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Working directory; empty: one made for the task.
    pub dir: String,
    /// `user` or `user:group`; empty: the daemon's own.
    pub user: String,
    /// Further groups.
    pub groups: Vec<String>,
    /// Kernel limits, by name.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// The most it may use.
    pub limits: ResourceLimits,
    /// Ports opened for it: `published` is the one it must listen on.
    pub ports: Vec<Port>,
    /// Number of the first signal when it is stopped.
    pub stop_signal: i32,
    /// From that signal to SIGKILL.
    pub stop_grace: Duration,
}

/// What a task runs, with these ports opened for it.
///
/// # Errors
/// If a value of its environment has a placeholder there is not; a spec with one is refused
/// when it is made.
pub fn launch(
    task: &AssignedTask,
    template: &AssignedTemplate,
    node: &NodeFacts,
    ports: Vec<Port>,
) -> Result<Launch, BadPlaceholder> {
    let Workload::Process(process) = &template.template.workload;
    let stop = &template.template.stop;
    let facts = Facts {
        task,
        template,
        node,
    };
    Ok(Launch {
        task: task.id,
        name: task.name.clone(),
        service: template.service_name.clone(),
        slot: task.slot,
        command: process.command.clone(),
        args: process.args.clone(),
        env: facts.environment(process, &ports)?,
        dir: process.dir.clone(),
        user: process.user.clone(),
        groups: process.groups.clone(),
        ulimits: process.ulimits.clone(),
        limits: template.template.limits,
        ports,
        stop_signal: stop.signal_number(),
        stop_grace: stop.grace(),
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
        for port in ports {
            let number = port.published.to_string();
            env.insert(format!("SKEP_PORT_{}", port.target), number);
        }
        if let Some(first) = ports.first() {
            env.insert("PORT".to_owned(), first.published.to_string());
        }
        for (key, text) in &process.env {
            let value = expand(text, |placeholder| self.value(placeholder))?;
            env.insert(key.clone(), value);
        }
        Ok(env)
    }

    fn given(&self) -> BTreeMap<String, String> {
        let given = [
            ("PATH", PATH.to_owned()),
            ("SKEP_ADDR", self.node.address.to_string()),
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
