// SPDX-License-Identifier: Apache-2.0
//! Services: what should run.

use std::sync::Arc;

use super::{
    Condition, Labels, Meta, Name, OnFailure, Port, PortMode, PullPolicy, Revision, Rollout,
    ServiceId, TaskTemplate, Timestamp, UpdatePolicy, Workload,
};

/// How many tasks a service has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// A number of tasks.
    Replicated {
        /// How many; none: one.
        replicas: Option<u32>,
    },
    /// One task on every node that fits.
    EveryNode,
}

impl Mode {
    /// The word by which filters know it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Replicated { .. } => "replicated",
            Mode::EveryNode => "every-node",
        }
    }

    /// The replicas wanted; nothing if their number follows from the nodes.
    #[must_use]
    pub fn replicas(self) -> Option<u32> {
        match self {
            Mode::Replicated { replicas } => Some(replicas.unwrap_or(1)),
            Mode::EveryNode => None,
        }
    }
}

/// What is wanted of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceSpec {
    /// Its name; fixed once created.
    pub name: Name,
    /// For filters and people.
    pub labels: Arc<Labels>,
    /// How many tasks; which of the modes is fixed once created.
    pub mode: Mode,
    /// What each task runs.
    pub template: Arc<TaskTemplate>,
    /// How a change of the template is rolled out; none: all defaults.
    pub update: Option<UpdatePolicy>,
    /// How a rollback is rolled out; none: like an update, but pausing after failures.
    pub rollback: Option<UpdatePolicy>,
    /// Ports published; a published number of 0 is still to be chosen.
    pub ports: Vec<Port>,
}

impl ServiceSpec {
    /// How an update, or a rollback, is rolled out.
    #[must_use]
    pub fn policy(&self, back: bool) -> UpdatePolicy {
        let update = self.update.unwrap_or_default();
        match self.rollback {
            _ if !back => update,
            Some(rollback) => rollback,
            None => UpdatePolicy {
                on_failure: Some(OnFailure::Pause),
                ..update
            },
        }
    }
}

/// A service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// Common facts.
    pub meta: Meta<ServiceId>,
    /// What is wanted.
    pub spec: Arc<ServiceSpec>,
    /// What its tasks should be made from: the spec revision of the change that brought that.
    pub template_revision: Revision,
    /// The present or last rollout; none: it was never updated.
    pub rollout: Option<Rollout>,
    /// Ports published, with the ingress numbers chosen, in the order of `spec.ports`.
    pub ports: Vec<Port>,
    /// The image with the digest that its present template is pinned to; empty: not known yet,
    /// unpinned, or no container.
    pub image: Arc<str>,
    /// What follows from its tasks: derived, see [`crate::state`].
    pub status: ServiceStatus,
}

impl Service {
    /// Whether its deletion has begun.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.meta.delete_time.is_some()
    }

    /// The ports that the mesh answers on for it: those of mode ingress, once they have a number.
    pub fn mesh_ports(&self) -> impl Iterator<Item = &Port> {
        let ports = self.ports.iter();
        ports.filter(|port| port.mode == PortMode::Ingress && port.published != 0)
    }

    /// Whether the mesh sends it anything.
    #[must_use]
    pub fn is_in_mesh(&self) -> bool {
        self.mesh_ports().next().is_some()
    }
}

/// What follows from the tasks of a service.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ServiceStatus {
    /// Tasks wanted.
    pub desired_tasks: u32,
    /// Tasks in RUNNING.
    pub running_tasks: u32,
    /// Tasks in RUNNING that are up to date.
    pub updated_tasks: u32,
    /// Tasks in PENDING.
    pub pending_tasks: u32,
    /// Attempts with the present template that ended badly, of those kept.
    pub failed_tasks: u32,
    /// CONVERGED, STALLED, AVAILABLE and PLACED, in this order.
    pub conditions: Vec<Condition>,
}

/// What the tasks of one template revision are made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptTemplate {
    /// What each task runs.
    pub template: Arc<TaskTemplate>,
    /// Ports each task opens, as the service publishes them.
    pub ports: Vec<Port>,
    /// The ports as they were asked for.
    pub asked: Vec<Port>,
    /// When the revision came.
    pub create_time: Timestamp,
    /// Who brought it; empty: not known.
    pub caller: Arc<str>,
    /// The service converged on it once.
    pub good: bool,
    /// The image with the digest that it is pinned to; empty: not known yet, unpinned, or no
    /// container.
    pub image: Arc<str>,
}

impl KeptTemplate {
    /// The image that its tasks run, with the digest once it is pinned; empty: no container.
    #[must_use]
    pub fn image(&self) -> Arc<str> {
        match &self.template.workload {
            Workload::Container(_) if !self.image.is_empty() => self.image.clone(),
            Workload::Container(container) => container.image.as_str().into(),
            Workload::Process(_) => Arc::default(),
        }
    }

    /// Whether the first digest that a task finds is to be that of all. Where nothing is pulled
    /// it is not: other nodes may have another image of that name, and cannot get this one.
    #[must_use]
    pub fn is_to_be_pinned(&self) -> bool {
        let Workload::Container(container) = &self.template.workload else {
            return false;
        };
        self.image.is_empty() && !container.unpinned && container.pull() != PullPolicy::Never
    }
}
