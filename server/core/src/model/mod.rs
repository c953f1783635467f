// SPDX-License-Identifier: Apache-2.0
//! What a swarm is made of: the objects, their parts, and the numbers that order them.

mod container;
mod drain;
mod endpoint;
mod health;
mod id;
mod mount;
mod name;
mod node;
mod object;
mod placement;
mod resources;
mod rollout;
mod service;
pub mod signal;
mod swarm;
mod task;
mod template;
mod time;

pub use container::{
    Container, DnsConfig, HostEntry, LOCAL_IMAGE, LogDriver, PullPolicy, Security,
};
pub use drain::{Drain, DrainPhase, Released};
pub use endpoint::{Backend, BackendState, Port, PortMode, Protocol, ServiceEndpoints};
pub use health::{HealthCheck, HealthState, Probe};
pub use id::{BadId, ID_PREFIXES, IdSource, NodeId, ServiceId, SwarmId, TaskId};
pub use mount::{BindMount, Mount, MountSource, TmpfsMount, VolumeMount};
pub use name::{BadName, NAME_LENGTH_MAX, Name, name_key};
pub use node::{
    Availability, Node, NodeDescription, NodeRole, NodeSpec, NodeState, NodeStatus, Platform,
};
pub use object::{Condition, Labels, Meta, ObjectId};
pub use placement::{
    NodeKey, Operator, Placement, PlacementCheck, Requirement, Unplaced, UnplacedCause,
};
pub use resources::{ResourceLimits, Resources};
pub use rollout::{
    NO_PROGRESS, NODE_PAUSED, OnFailure, REQUESTED, Rollout, RolloutCounts, RolloutState,
    RolloutStep, TASK_FAILED, UpdateOrder, UpdatePolicy, Verdict,
};
pub use service::{KeptTemplate, Mode, Service, ServiceSpec, ServiceStatus};
pub use swarm::{Swarm, SwarmSpec};
pub use task::{
    DesiredState, ENGINE_LOST, NODE_LOST, NodeRef, Outcome, RestartMemory, Task, TaskState,
    TaskStatus, Transition,
};
pub use template::{
    Process, RestartCondition, RestartPolicy, StopPolicy, TaskTemplate, Ulimit, Workload,
};
pub use time::{Revision, Timestamp};
