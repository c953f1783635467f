// SPDX-License-Identifier: Apache-2.0
//! The things a node is given, and the frames they travel in.

use std::sync::Arc;

use crate::model::{
    Container, DesiredState, Drain, DrainPhase, Labels, Port, Revision, ServiceEndpoints,
    ServiceId, Task, TaskId, TaskState, TaskTemplate, Timestamp, Workload,
};

/// About how many bytes a frame may hold; one thing that is greater travels alone.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// A task, as its node sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssignedTask {
    /// The task.
    pub id: TaskId,
    /// Its name.
    pub name: Arc<str>,
    /// The service it belongs to.
    pub service: ServiceId,
    /// Which place of the service it fills.
    pub slot: u32,
    /// Which attempt at that place.
    pub attempt: u32,
    /// What it is made from.
    pub template_revision: Revision,
    /// Where the managers want it.
    pub desired: DesiredState,
    /// When it may start; only while it is wanted ready.
    pub restart_time: Option<Timestamp>,
    /// How far it was taken out of the traffic, before it is stopped; nothing: there is nothing to
    /// wait for.
    pub drain: Option<DrainPhase>,
    /// What the managers knew of it when they sent this. Nothing is sent when only this
    /// changes: the node says so itself and knows better.
    pub state: TaskState,
}

impl AssignedTask {
    /// What its node needs of a task.
    #[must_use]
    pub fn of(task: &Task) -> AssignedTask {
        AssignedTask {
            id: task.meta.id,
            name: task.name.clone(),
            service: task.service,
            slot: task.slot,
            attempt: task.attempt,
            template_revision: task.template_revision,
            desired: task.desired,
            restart_time: task.status.restart_time,
            drain: task.drain.as_ref().map(Drain::phase),
            state: task.status.state,
        }
    }
}

/// What of a task its node is told again when it changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Told {
    desired: DesiredState,
    restart_time: Option<Timestamp>,
    drain: Option<DrainPhase>,
}

impl Told {
    pub(super) fn of(task: &Task) -> Told {
        Told {
            desired: task.desired,
            restart_time: task.status.restart_time,
            drain: task.drain.as_ref().map(Drain::phase),
        }
    }

    pub(super) fn by(task: &AssignedTask) -> Told {
        Told {
            desired: task.desired,
            restart_time: task.restart_time,
            drain: task.drain,
        }
    }
}

/// What tasks are made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssignedTemplate {
    /// The service.
    pub service: ServiceId,
    /// The number of the template.
    pub revision: Revision,
    /// What each task runs.
    pub template: Arc<TaskTemplate>,
    /// Ports to open.
    pub ports: Vec<Port>,
    /// The image with the digest that all its tasks run; empty: as the template says.
    pub image: Arc<str>,
    /// Name of the service.
    pub service_name: Arc<str>,
    /// Labels of the service.
    pub service_labels: Arc<Labels>,
}

/// One thing a node should have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Assignment {
    /// A task, by its id. Its template comes no later than it.
    Task(AssignedTask),
    /// A template, by service and revision.
    Template(AssignedTemplate),
    /// Where a service answers, by service.
    Endpoints(Arc<ServiceEndpoints>),
}

/// One thing a node no longer needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Unassignment {
    /// A task: stop it if it still runs, then forget it.
    Task(TaskId),
    /// A template.
    Template(ServiceId, Revision),
    /// The endpoints of a service.
    Endpoints(ServiceId),
}

/// What a node should have, or how that changed: a step, or one frame of it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Assignments {
    /// The node has everything through this revision; 0: more frames of the step follow.
    pub revision: Revision,
    /// It begins the whole set anew: what the step does not put is no longer needed.
    pub reset: bool,
    /// New, or in place of what has the same name.
    pub put: Vec<Assignment>,
    /// No longer needed.
    pub remove: Vec<Unassignment>,
}

impl Assignments {
    /// The whole set of a node that the swarm does not know: nothing.
    #[must_use]
    pub fn dismissal(revision: Revision) -> Assignments {
        Assignments {
            revision,
            reset: true,
            ..Assignments::default()
        }
    }

    /// Whether it is the whole set of a node that should have nothing.
    #[must_use]
    pub fn is_dismissal(&self) -> bool {
        *self == Assignments::dismissal(self.revision) && self.revision > Revision(0)
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.reset && self.put.is_empty() && self.remove.is_empty()
    }

    /// Cuts a step into frames of about `bytes_max` bytes at most.
    #[must_use]
    pub fn cut(self, bytes_max: usize) -> Vec<Assignments> {
        let mut frames = vec![Assignments {
            reset: self.reset,
            ..Assignments::default()
        }];
        let mut room = bytes_max;
        let mut frame_for = |bytes: usize, frames: &mut Vec<Assignments>| {
            let full = frames
                .last()
                .is_none_or(|last| bytes > room && !last.holds_nothing());
            if full {
                frames.push(Assignments::default());
                room = bytes_max;
            }
            room = room.saturating_sub(bytes);
        };
        for item in self.put {
            frame_for(item.bytes(), &mut frames);
            frames.last_mut().expect("there is one").put.push(item);
        }
        for item in self.remove {
            frame_for(UNASSIGNMENT_BYTES, &mut frames);
            frames.last_mut().expect("there is one").remove.push(item);
        }
        frames.last_mut().expect("there is one").revision = self.revision;
        frames
    }

    fn holds_nothing(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }
}

/// About what an unassignment takes in a message: an id and a number.
const UNASSIGNMENT_BYTES: usize = 48;
/// About what the fixed part of an assignment takes.
const FIXED_BYTES: usize = 128;
/// About what a port takes.
const PORT_BYTES: usize = 16;

impl Assignment {
    /// About how many bytes it takes in a message.
    #[must_use]
    pub fn bytes(&self) -> usize {
        FIXED_BYTES
            + match self {
                Assignment::Task(task) => task.name.len(),
                Assignment::Template(template) => template.bytes(),
                Assignment::Endpoints(endpoints) => {
                    let backends = &endpoints.backends;
                    let ports: usize = backends.iter().map(|backend| backend.ports.len()).sum();
                    let ports = ports + endpoints.ports.len();
                    endpoints.name.len() + backends.len() * FIXED_BYTES + ports * PORT_BYTES
                }
            }
    }
}

impl AssignedTemplate {
    fn bytes(&self) -> usize {
        let (command, args, env, parts) = match &self.template.workload {
            Workload::Process(process) => {
                let parts = process.ulimits.len();
                (&process.command, &process.args, &process.env, parts)
            }
            Workload::Container(container) => {
                let parts = container_parts(container) + self.template.mounts.len() * MOUNT_PARTS;
                (&container.command, &container.args, &container.env, parts)
            }
        };
        let texts: usize = command.iter().chain(args).map(|text| text.len() + 4).sum();
        let pairs = env.iter().chain(self.service_labels.iter());
        let pairs: usize = pairs.map(|(key, value)| key.len() + value.len() + 8).sum();
        texts + pairs + self.ports.len() * PORT_BYTES + parts * FIXED_BYTES
    }
}

/// About how many fixed parts a mount takes: its paths may be long.
const MOUNT_PARTS: usize = 4;

/// About how many fixed parts a container takes beside its command and environment.
fn container_parts(container: &Container) -> usize {
    1 + container.ulimits.len()
        + container.hosts.len()
        + container.labels.len()
        + container.sysctls.len()
        + container.groups.len()
        + container.capabilities_add.len()
        + container.capabilities_drop.len()
}
