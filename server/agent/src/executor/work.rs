// SPDX-License-Identifier: Apache-2.0
//! What a task runs, with every choice made: placeholders filled in, ports assigned.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_core::model::{Port, ResourceLimits, Resources, Revision, ServiceId, TaskId};
use skep_core::node_agent::{ContainerLaunch, StopHow};

/// What one task runs on this node, by its kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// A program on the node itself.
    Process(Box<TaskWork>),
    /// A container.
    Container(Box<ContainerWork>),
}

impl Work {
    /// The task.
    #[must_use]
    pub fn task(&self) -> TaskId {
        match self {
            Work::Process(work) => work.task,
            Work::Container(work) => work.task,
        }
    }

    /// The capability of a node that can run it.
    #[must_use]
    pub const fn capability(&self) -> &'static str {
        match self {
            Work::Process(_) => "workload.process",
            Work::Container(_) => "workload.container",
        }
    }
}

impl From<TaskWork> for Work {
    fn from(work: TaskWork) -> Work {
        Work::Process(Box::new(work))
    }
}

/// What one task runs as a container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContainerWork {
    /// The task.
    pub task: TaskId,
    /// Its name, such as "web.3".
    pub name: String,
    /// Its service.
    pub service_id: ServiceId,
    /// Name of its service.
    pub service: String,
    /// What it is made from.
    pub template_revision: Revision,
    /// Its slot, from 1; 0: one task a node.
    pub slot: u32,
    /// The container and what surrounds it. Its environment is whole.
    pub launch: ContainerLaunch,
    /// Set aside for it.
    pub reservations: Resources,
    /// The most it may use.
    pub limits: ResourceLimits,
    /// Ports opened for it: `published` on the node leads to `target` inside.
    pub ports: Vec<Port>,
    /// How it is stopped.
    pub stop: StopHow,
}

/// What one task runs as a program on this node.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TaskWork {
    /// The task.
    #[serde(with = "task_text")]
    pub task: TaskId,
    /// Its name, such as "web.3".
    pub name: String,
    /// Name of its service.
    pub service: String,
    /// Its slot, from 1; 0: one task a node.
    pub slot: u32,
    /// Program and leading arguments; the first is an absolute path.
    pub command: Vec<String>,
    /// Arguments that follow.
    pub args: Vec<String>,
    /// The whole environment. Executors add `SKEP_TASK_ID`, always right, and a `PATH` if it
    /// is missing.
    pub env: BTreeMap<String, String>,
    /// Working directory, an absolute path; empty: one made for the task and removed with it.
    pub dir: String,
    /// "user" or "user:group", by name or number; empty: the daemon's own.
    pub user: String,
    /// Further groups, by name or number.
    pub groups: Vec<String>,
    /// Kernel limits of a process, by name in lower case: "nofile". Those not named are the
    /// daemon's, but for the soft limit of open files, which is 1,024.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// The most it may use.
    pub limits: Limits,
    /// Ports opened for it on the node: `published` is the one it must listen on.
    #[serde(with = "port_list")]
    pub ports: Vec<Port>,
    /// Number of the first signal when it is stopped.
    pub stop_signal: i32,
    /// From that signal to SIGKILL.
    pub stop_grace: Duration,
}

impl TaskWork {
    /// How it wants to be stopped.
    #[must_use]
    pub const fn stop(&self) -> StopHow {
        StopHow {
            signal: self.stop_signal,
            grace: self.stop_grace,
        }
    }
}

/// A kernel limit of a process; -1: unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ulimit {
    /// The soft limit.
    pub soft: i64,
    /// The hard limit.
    pub hard: i64,
}

/// The most a task may use; 0: no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Thousandths of one CPU.
    pub cpu_millis: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
}

mod task_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use skep_core::model::TaskId;

    pub(super) fn serialize<S: Serializer>(task: &TaskId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(task)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TaskId, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod port_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use skep_core::model::{Port, PortMode, Protocol};

    /// A port as it stands in a file.
    #[derive(Serialize, Deserialize)]
    struct Stored {
        target: u16,
        published: u16,
        udp: bool,
        host: bool,
        name: String,
    }

    pub(super) fn serialize<S: Serializer>(ports: &[Port], to: S) -> Result<S::Ok, S::Error> {
        let stored = ports.iter().map(|port| Stored {
            target: port.target,
            published: port.published,
            udp: port.protocol == Protocol::Udp,
            host: port.mode == PortMode::Host,
            name: port.name.to_string(),
        });
        stored.collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Port>, D::Error> {
        let stored = Vec::<Stored>::deserialize(from)?;
        Ok(stored.into_iter().map(port).collect())
    }

    fn port(stored: Stored) -> Port {
        Port {
            target: stored.target,
            published: stored.published,
            protocol: if stored.udp {
                Protocol::Udp
            } else {
                Protocol::Tcp
            },
            mode: if stored.host {
                PortMode::Host
            } else {
                PortMode::Ingress
            },
            name: stored.name.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_core::model::{PortMode, Protocol};

    #[test]
    fn work_comes_back_from_a_file_as_it_was() {
        let work = TaskWork {
            task: TaskId(77),
            name: "web.1".into(),
            service: "web".into(),
            slot: 1,
            command: vec!["/bin/sh".into(), "-c".into()],
            args: vec!["echo \"\n\"".into()],
            env: BTreeMap::from([("KEY".into(), "va=lue".into())]),
            dir: "/tmp".into(),
            user: "nobody:nogroup".into(),
            groups: vec!["7".into()],
            ulimits: BTreeMap::from([("nofile".into(), Ulimit { soft: 1, hard: -1 })]),
            limits: Limits {
                cpu_millis: 1,
                memory_bytes: 2,
                pids: 3,
            },
            ports: vec![
                Port {
                    target: 80,
                    published: 20_001,
                    protocol: Protocol::Tcp,
                    mode: PortMode::Ingress,
                    name: "web".into(),
                },
                Port {
                    target: 53,
                    published: 53,
                    protocol: Protocol::Udp,
                    mode: PortMode::Host,
                    name: "".into(),
                },
            ],
            stop_signal: 15,
            stop_grace: Duration::from_millis(1_500),
        };
        let text = serde_json::to_string(&work).expect("JSON");
        assert_eq!(serde_json::from_str::<TaskWork>(&text).expect("work"), work);
    }
}
