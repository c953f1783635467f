// SPDX-License-Identifier: Apache-2.0
//! Waiting until a service is as wanted, or it is known that it will not be.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::TryStreamExt;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::Error;
use crate::v1::condition::Status;
use crate::v1::{
    Condition, Service, ServiceFilter, Task, TaskFilter, TaskState, Unplaced, WatchRequest,
};
use crate::view::{Identified, Object};
use crate::watch::WatchEvent;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The tasks are as the spec of this revision, or a later one, wants them.
    Converged {
        /// The `meta.spec_revision` of the change's answer.
        spec_revision: u64,
    },
    /// The service and its tasks are gone.
    Deleted,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All tasks wanted run and are up to date.
    Converged,
    /// The change has failed, and nothing more will happen by itself: the condition that says
    /// so, with its reason.
    Stalled(Condition),
    /// The service is gone: what was waited for, or someone deleted it meanwhile.
    Deleted,
    /// The time is over. If there are entries, tasks have found no node, and why: then waiting
    /// longer would not have helped.
    TimedOut(Vec<Unplaced>),
}

/// The end of a wait.
#[derive(Debug, Clone, PartialEq)]
pub struct Waited {
    /// How it ended.
    pub outcome: Outcome,
    /// What was last seen.
    pub sight: Sight,
}

/// What is seen of a service while waiting.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sight {
    /// The service; none: not seen yet, or gone.
    pub service: Option<Service>,
    /// Its tasks, by id, ended ones that are kept included.
    pub tasks: BTreeMap<String, Task>,
    /// The revision all of this was at.
    pub revision: u64,
}

impl Sight {
    /// Takes in an event of a watch on one service and its tasks.
    pub fn apply(&mut self, event: WatchEvent<Object>) {
        match event {
            WatchEvent::Reset(objects) => {
                *self = Self::default();
                objects.into_iter().for_each(|object| self.put(object));
            }
            WatchEvent::Added(object) | WatchEvent::Changed(object) => self.put(object),
            WatchEvent::Left(object) | WatchEvent::Deleted(object) => self.remove(&object),
            WatchEvent::Progress { revision, .. } => self.revision = revision,
        }
    }

    fn put(&mut self, object: Object) {
        match object {
            Object::Service(service) => self.service = Some(service),
            Object::Task(task) => {
                self.tasks.insert(task.id().to_owned(), task);
            }
            Object::Node(_) | Object::Swarm(_) => {}
        }
    }

    fn remove(&mut self, object: &Object) {
        match object {
            Object::Service(_) => self.service = None,
            Object::Task(task) => {
                self.tasks.remove(task.id());
            }
            Object::Node(_) | Object::Swarm(_) => {}
        }
    }

    /// Why tasks that should run have no node: one entry for all tasks with the same causes.
    #[must_use]
    pub fn unplaced(&self) -> Vec<Unplaced> {
        let mut found: Vec<Unplaced> = Vec::new();
        for task in self.tasks.values().filter(|task| wants_to_run(task)) {
            let Some(status) = &task.status else { continue };
            if status.state() != TaskState::Pending {
                continue;
            }
            if let Some(unplaced) = &status.unplaced
                && !found.iter().any(|known| known.causes == unplaced.causes)
            {
                found.push(unplaced.clone());
            }
        }
        found
    }
}

fn wants_to_run(task: &Task) -> bool {
    task.desired_state() <= TaskState::Running
}

/// What the conditions of a service say about a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It has failed, and nothing more will happen by itself.
    Stalled(Condition),
    /// It is done.
    Converged,
}

/// Judges a service by its conditions. STALLED is looked at before CONVERGED, because both hold
/// after an automatic rollback. Neither counts if it was judged against an older spec.
#[must_use]
pub fn judge(service: &Service, spec_revision: u64) -> Option<Verdict> {
    let conditions = service
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    let holds = |name: &str| {
        conditions.iter().find(|condition| {
            condition.r#type == name
                && condition.status() == Status::True
                && condition.observed_spec_revision >= spec_revision
        })
    };
    if let Some(condition) = holds("STALLED") {
        return Some(Verdict::Stalled(condition.clone()));
    }
    holds("CONVERGED").map(|_| Verdict::Converged)
}

/// What a sight means for a goal; none: wait on.
fn reached(sight: &Sight, goal: Goal) -> Option<Outcome> {
    let Some(service) = &sight.service else {
        return Some(Outcome::Deleted);
    };
    let Goal::Converged { spec_revision } = goal else {
        return None;
    };
    Some(match judge(service, spec_revision)? {
        Verdict::Converged => Outcome::Converged,
        Verdict::Stalled(condition) => Outcome::Stalled(condition),
    })
}

impl Client {
    /// Waits until a service, as its answer showed it, has converged or failed to. `timeout`:
    /// none waits for ever.
    ///
    /// # Errors
    /// Those of a watch that cannot go on. That tasks fail or find no node is an [`Outcome`].
    pub async fn wait_converged(
        &self,
        service: &Service,
        timeout: Option<Duration>,
    ) -> Result<Waited, Error> {
        let spec_revision = service.meta.as_ref().map_or(0, |meta| meta.spec_revision);
        self.wait(
            service.id(),
            Goal::Converged { spec_revision },
            timeout,
            |_| (),
        )
        .await
    }

    /// Waits for a goal, and shows `observe` what is seen after every change.
    ///
    /// # Errors
    /// Those of a watch that cannot go on.
    pub async fn wait(
        &self,
        service_id: &str,
        goal: Goal,
        timeout: Option<Duration>,
        mut observe: impl FnMut(&Sight),
    ) -> Result<Waited, Error> {
        let ids = vec![service_id.to_owned()];
        let mut watch = self.watch(WatchRequest {
            tasks: Some(TaskFilter {
                services: ids.clone(),
                ..TaskFilter::default()
            }),
            services: Some(ServiceFilter {
                services: ids,
                ..ServiceFilter::default()
            }),
            ..WatchRequest::default()
        });
        let mut sight = Sight::default();
        let mut is_new = false;
        // Too long to be a point in time is as good as for ever.
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let event = match until {
                None => watch.try_next().await?,
                Some(until) => match tokio::time::timeout_at(until, watch.try_next()).await {
                    Ok(event) => event?,
                    Err(_) => {
                        let outcome = Outcome::TimedOut(sight.unplaced());
                        return Ok(Waited { outcome, sight });
                    }
                },
            };
            // A watch ends with an error only.
            let Some(event) = event else { continue };
            let closes = matches!(event, WatchEvent::Progress { .. });
            sight.apply(event);
            is_new |= !closes;
            if closes && std::mem::take(&mut is_new) {
                observe(&sight);
                if let Some(outcome) = reached(&sight, goal) {
                    return Ok(Waited { outcome, sight });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::unplaced::Cause;
    use crate::v1::{Meta, ServiceStatus, TaskStatus};

    fn condition(name: &str, status: Status, observed: u64) -> Condition {
        Condition {
            r#type: name.into(),
            status: status.into(),
            observed_spec_revision: observed,
            ..Condition::default()
        }
    }

    fn service(conditions: Vec<Condition>) -> Service {
        let status = ServiceStatus {
            conditions,
            ..ServiceStatus::default()
        };
        Service {
            status: Some(status),
            ..Service::default()
        }
    }

    #[test]
    fn stalled_is_looked_at_first() {
        let both = service(vec![
            condition("CONVERGED", Status::True, 7),
            condition("STALLED", Status::True, 7),
        ]);
        assert!(matches!(judge(&both, 7), Some(Verdict::Stalled(_))));
    }

    #[test]
    fn only_a_judgement_of_the_wanted_spec_counts() {
        let converged = service(vec![
            condition("STALLED", Status::True, 5),
            condition("CONVERGED", Status::True, 7),
        ]);
        assert_eq!(judge(&converged, 7), Some(Verdict::Converged));
        assert_eq!(judge(&converged, 6), Some(Verdict::Converged));
        assert_eq!(judge(&converged, 8), None);
        assert_eq!(
            judge(&service(vec![condition("CONVERGED", Status::False, 9)]), 8),
            None
        );
        assert_eq!(
            judge(
                &service(vec![condition("CONVERGED", Status::Unknown, 9)]),
                8
            ),
            None
        );
        assert_eq!(judge(&Service::default(), 0), None);
    }

    #[test]
    fn a_service_that_is_gone_ends_every_wait() {
        let gone = Sight::default();
        assert_eq!(reached(&gone, Goal::Deleted), Some(Outcome::Deleted));
        assert_eq!(
            reached(&gone, Goal::Converged { spec_revision: 1 }),
            Some(Outcome::Deleted)
        );
        let there = service(vec![condition("CONVERGED", Status::True, 7)]);
        let there = Sight {
            service: Some(there),
            ..Sight::default()
        };
        assert_eq!(reached(&there, Goal::Deleted), None);
        let reached = reached(&there, Goal::Converged { spec_revision: 7 });
        assert_eq!(reached, Some(Outcome::Converged));
    }

    #[test]
    fn pending_tasks_tell_why_once() {
        let task = |id: &str, state: TaskState, desired: TaskState, message: &str| {
            let cause = Cause {
                message: message.into(),
                nodes: 1,
                ..Cause::default()
            };
            let unplaced = Unplaced {
                causes: vec![cause],
                ..Unplaced::default()
            };
            let status = TaskStatus {
                state: state.into(),
                unplaced: Some(unplaced),
                ..TaskStatus::default()
            };
            let meta = Meta {
                id: id.into(),
                ..Meta::default()
            };
            let task = Task {
                meta: Some(meta),
                desired_state: desired.into(),
                status: Some(status),
                ..Task::default()
            };
            (id.to_owned(), task)
        };
        let (pending, running) = (TaskState::Pending, TaskState::Running);
        let sight = Sight {
            tasks: BTreeMap::from([
                task("a", pending, running, "needs 4 GiB"),
                task("b", pending, running, "needs 4 GiB"),
                task("c", running, running, "ran out"),
                task("d", pending, TaskState::Removed, "not wanted"),
                task("e", pending, running, "other"),
            ]),
            ..Sight::default()
        };
        let causes: Vec<_> = sight
            .unplaced()
            .iter()
            .map(|u| u.causes[0].message.clone())
            .collect();
        assert_eq!(causes, ["needs 4 GiB", "other"]);
    }
}
