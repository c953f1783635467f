// SPDX-License-Identifier: Apache-2.0
//! One pass of the scheduler over everything that waits for a node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{NodeId, Revision, ServiceId, Task, TaskId, TaskState, Timestamp};
use crate::state::{State, Write};

use super::books::Books;
use super::demand::{Demand, Objection, Shape};
use super::explain::{Reasons, is_news};
use super::group::{Choice, Standing};
use super::spread::Pool;

/// A node on which a service failed this often within [`FAILURE_WINDOW`] is its last resort.
pub const FAILURES_MAX: u32 = 5;

/// How long a failure on a node counts against it.
pub const FAILURE_WINDOW: Duration = Duration::from_secs(300);

/// Chooses a node for each task that is wanted and has none, or says why there is none.
///
/// Tasks that are for one node, as those of every-node services are, come first; then the
/// services in the order in which their oldest waiting task was made. A reason that a task has
/// already is not written again, so a second call without changes gives nothing.
#[must_use]
pub fn place(state: &State, now: Timestamp) -> Vec<Write> {
    let waiting = waiting(state);
    if waiting.is_empty() {
        return Vec::new();
    }
    let mut pass = Pass::new(state, &waiting, now);
    for (turn, waiting) in waiting.iter().enumerate() {
        for (template, tasks) in &waiting.bound {
            pass.place_bound(turn, *template, tasks);
        }
    }
    for (turn, waiting) in waiting.iter().enumerate() {
        for (template, tasks) in &waiting.free {
            pass.place_group(turn, *template, tasks);
        }
    }
    pass.explain_left();
    pass.writes
}

type Groups<'a> = BTreeMap<Revision, Vec<&'a Arc<Task>>>;

/// The tasks of a service that wait for a node, by template.
#[derive(Debug)]
struct Waiting<'a> {
    service: ServiceId,
    oldest: Revision,
    bound: Groups<'a>,
    free: Groups<'a>,
}

/// All that waits, in the order in which it is served.
fn waiting(state: &State) -> Vec<Waiting<'_>> {
    let mut services: BTreeMap<ServiceId, Waiting<'_>> = BTreeMap::new();
    for task in state.pending_tasks() {
        let created = task.meta.create_revision;
        let waiting = services.entry(task.service).or_insert_with(|| Waiting {
            service: task.service,
            oldest: created,
            bound: BTreeMap::new(),
            free: BTreeMap::new(),
        });
        waiting.oldest = waiting.oldest.min(created);
        let groups = if task.node.is_some() {
            &mut waiting.bound
        } else {
            &mut waiting.free
        };
        groups.entry(task.template_revision).or_default().push(task);
    }
    let mut ordered: Vec<_> = services.into_values().collect();
    for tasks in ordered
        .iter_mut()
        .flat_map(|waiting| waiting.free.values_mut())
    {
        tasks.sort_by_key(|task| (task.slot, task.attempt, task.meta.id));
    }
    ordered.sort_by_key(|waiting| (waiting.oldest, waiting.service));
    ordered
}

/// Tasks of a group that found no node.
#[derive(Debug)]
struct Left<'a> {
    turn: usize,
    demand: Demand<'a>,
    tasks: Vec<&'a Arc<Task>>,
    /// The only node they may have.
    seat: Option<usize>,
}

#[derive(Debug)]
struct Pass<'a> {
    books: Books<'a>,
    pools: BTreeMap<Shape<'a>, Pool>,
    now: Timestamp,
    /// The services that wait, by turn.
    services: Vec<(ServiceId, Standing)>,
    left: Vec<Left<'a>>,
    writes: Vec<Write>,
}

impl<'a> Pass<'a> {
    fn new(state: &'a State, waiting: &[Waiting<'_>], now: Timestamp) -> Pass<'a> {
        let mut pass = Pass {
            books: Books::open(state),
            pools: BTreeMap::new(),
            now,
            services: Vec::new(),
            left: Vec::new(),
            writes: Vec::new(),
        };
        for Waiting { service, .. } in waiting {
            pass.services.push((*service, pass.standing(*service)));
        }
        pass
    }

    /// Where the tasks of a service are, and where they fail.
    fn standing(&self, service: ServiceId) -> Standing {
        let mut standing = Standing::default();
        let mut failures: BTreeMap<usize, u32> = BTreeMap::new();
        let replaced = self.replaced(service);
        for task in self.books.state.service_tasks(service) {
            let Some(seat) = task.node.as_ref().and_then(|n| self.books.seat_of(n.id)) else {
                continue;
            };
            if task.is_wanted() && task.occupies().is_some() {
                if replaced.contains(&task.meta.id) {
                    continue;
                }
                *standing.own.entry(seat).or_default() += 1;
            } else if self.is_recent_failure(task) {
                *failures.entry(seat).or_default() += 1;
            }
        }
        failures.retain(|_, count| *count >= FAILURES_MAX);
        standing.failing = failures.into_keys().collect();
        standing
    }

    /// The tasks of a service that have a successor in their place: they are about to leave,
    /// so their nodes are as good for it as if they had none.
    fn replaced(&self, service: ServiceId) -> BTreeSet<TaskId> {
        let state = self.books.state;
        let known = state.service(service);
        if known.is_none_or(|service| service.rollout.is_none()) {
            return BTreeSet::new();
        }
        let mut newest: BTreeMap<(u32, Option<NodeId>), &Task> = BTreeMap::new();
        let mut replaced = BTreeSet::new();
        for task in state.service_tasks(service).filter(|it| it.is_wanted()) {
            let node = task.node.as_ref().filter(|_| task.slot == 0);
            let place = (task.slot, node.map(|node| node.id));
            let Some(other) = newest.insert(place, task) else {
                continue;
            };
            if other.attempt > task.attempt {
                newest.insert(place, other);
                replaced.insert(task.meta.id);
            } else {
                replaced.insert(other.meta.id);
            }
        }
        replaced
    }

    fn is_recent_failure(&self, task: &Task) -> bool {
        let failed = matches!(task.status.state, TaskState::Failed | TaskState::Rejected);
        failed && self.now.since(task.status.transition_time) <= FAILURE_WINDOW
    }

    fn demand(&self, turn: usize, template: Revision) -> Option<Demand<'a>> {
        let kept = self.books.state.template(self.services[turn].0, template)?;
        Some(Demand::of(kept))
    }

    /// Places tasks of which each is for one node.
    fn place_bound(&mut self, turn: usize, template: Revision, tasks: &[&'a Arc<Task>]) {
        for task in tasks {
            let node = task.node.as_ref().map(|node| node.id);
            let Some(seat) = node.and_then(|node| self.books.seat_of(node)) else {
                continue;
            };
            let Some(demand) = self.demand(turn, template) else {
                return;
            };
            if self.objection(turn, &demand, seat).is_none() {
                self.books.take(seat, &demand);
                *self.services[turn].1.own.entry(seat).or_default() += 1;
                self.assign(task, seat);
            } else {
                self.left.push(Left {
                    turn,
                    demand,
                    tasks: vec![task],
                    seat: Some(seat),
                });
            }
        }
    }

    /// What can be said against one node.
    fn objection(&self, turn: usize, demand: &Demand<'_>, seat: usize) -> Option<Objection> {
        let own = self.services[turn].1.own(seat);
        demand
            .shape()
            .objection(self.books.seats[seat].node)
            .or_else(|| demand.objection(&self.books, seat, own))
    }

    /// Places tasks that are alike, each on the best node for it.
    fn place_group(&mut self, turn: usize, template: Revision, tasks: &[&'a Arc<Task>]) {
        let Some(demand) = self.demand(turn, template) else {
            return;
        };
        let pool = self
            .pools
            .entry(demand.shape())
            .or_insert_with_key(|shape| Pool::new(&self.books, shape));
        let standing = &mut self.services[turn].1;
        let mut choice = Choice::new(&mut self.books, pool, &demand, standing);
        let mut seats = Vec::with_capacity(tasks.len());
        while seats.len() < tasks.len()
            && let Some(seat) = choice.next()
        {
            seats.push(seat);
        }
        choice.finish();
        let left = &tasks[seats.len()..];
        if !left.is_empty() {
            self.left.push(Left {
                turn,
                demand,
                tasks: left.to_vec(),
                seat: None,
            });
        }
        for (task, seat) in tasks.iter().zip(seats) {
            self.assign(task, seat);
        }
    }

    fn assign(&mut self, task: &Task, seat: usize) {
        self.writes.push(Write::AssignTask {
            task: task.meta.id,
            node: self.books.node_id(seat),
        });
    }

    /// Says why tasks have no node, now that it is known what all nodes have left.
    fn explain_left(&mut self) {
        for left in std::mem::take(&mut self.left) {
            let reasons = self.reasons(&left);
            let service = self.services[left.turn].0;
            let tasks = left.tasks.len();
            let unplaced = Arc::new(reasons.unplaced(service, tasks, left.demand.template));
            for (place, task) in left.tasks.iter().enumerate() {
                if is_news(task, place, &unplaced) {
                    self.writes.push(Write::SetUnplaced {
                        task: task.meta.id,
                        unplaced: unplaced.clone(),
                    });
                }
            }
        }
    }

    fn reasons(&self, left: &Left<'_>) -> Reasons {
        let Some(seat) = left.seat else {
            let pool = self.pools.get(&left.demand.shape());
            let standing = &self.services[left.turn].1;
            return pool
                .map(|pool| pool.reasons(&self.books, &left.demand, standing))
                .unwrap_or_default();
        };
        let mut reasons = Reasons::default();
        if let Some(objection) = self.objection(left.turn, &left.demand, seat) {
            reasons.add(objection, self.books.seats[seat].free);
        }
        reasons
    }
}
