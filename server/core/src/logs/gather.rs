// SPDX-License-Identifier: Apache-2.0
//! Who is asked for lines, and what cannot be had.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::filter::TaskFilter;
use crate::model::{NodeId, NodeState, Task, TaskId, Timestamp};
use crate::state::{Event, State, Step};

use super::place::{Place, Stage, may_have_lines};

/// How long a node that is not in session is waited for before its lines are said to be
/// missing, unless it is known to be down.
pub const SESSION_GRACE: Duration = Duration::from_secs(3);

/// What a reader wants.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Wanted {
    /// Of which tasks.
    pub filter: TaskFilter,
    /// Go on with new lines, and with new tasks.
    pub follow: bool,
    /// Begin with this many last lines of each task; none: with all there are. Tasks that come
    /// later give all their lines.
    pub tail: Option<u32>,
    /// Only lines at or after this moment.
    pub since: Option<Timestamp>,
}

/// Tells the asks of one reader apart.
pub type AskId = u64;

/// What one node is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Its number.
    pub id: AskId,
    /// Who is asked.
    pub node: NodeId,
    /// Lines of these tasks.
    pub tasks: Vec<TaskId>,
    /// And of what they print from now on.
    pub follow: bool,
    /// Only this many last lines of each.
    pub tail: Option<u32>,
    /// Only lines at or after this moment.
    pub since: Option<Timestamp>,
}

/// Why lines are missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GapReason {
    /// Their node does not answer.
    NodeDown,
    /// They were deleted with their task.
    TaskRemoved,
}

impl GapReason {
    /// The cause for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            GapReason::NodeDown => "NODE_DOWN",
            GapReason::TaskRemoved => "TASK_REMOVED",
        }
    }
}

/// Lines that cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Of this task; nothing: of all tasks of the node.
    pub task: Option<TaskId>,
    /// On this node.
    pub node: NodeId,
    /// Why.
    pub reason: GapReason,
}

/// What is to be done for the reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Order {
    /// Ask a node.
    Ask(Ask),
    /// Tell the reader what is missing.
    Gap(Gap),
}

/// What one reader gets, and from whom.
#[derive(Clone, Debug)]
pub struct Gather {
    wanted: Wanted,
    places: BTreeMap<TaskId, Place>,
    /// Nodes that are not in session, since when, and whether the reader was told.
    absent: BTreeMap<NodeId, (Timestamp, bool)>,
    next_ask: AskId,
    began: bool,
}

impl Gather {
    /// For a reader who begins now.
    #[must_use]
    pub fn new(wanted: Wanted) -> Gather {
        Gather {
            wanted,
            places: BTreeMap::new(),
            absent: BTreeMap::new(),
            next_ask: 1,
            began: false,
        }
    }

    /// Takes in the tasks of a state: all of them at first and when it is not known what
    /// happened, else those that `steps` touch.
    pub fn observe<'a>(
        &mut self,
        state: &State,
        steps: Option<impl IntoIterator<Item = &'a Step>>,
    ) {
        let began = std::mem::replace(&mut self.began, true);
        match steps.filter(|_| began) {
            None => self.take_all(state, !began),
            Some(_) if !self.wanted.follow => {}
            Some(steps) => {
                for event in steps.into_iter().flat_map(|step| step.events.iter()) {
                    if let Event::Task(delta) = event
                        && let Some(task) = &delta.after
                    {
                        self.take(task, false);
                    }
                }
            }
        }
    }

    fn take_all(&mut self, state: &State, first_look: bool) {
        if self.wanted.filter.tasks.is_empty() {
            state.tasks().for_each(|task| self.take(task, first_look));
            return;
        }
        let named: Vec<_> = self.wanted.filter.tasks.clone();
        for task in named.into_iter().filter_map(|id| state.task(id)) {
            self.take(task, first_look);
        }
    }

    fn take(&mut self, task: &Task, first_look: bool) {
        let Some(node) = &task.node else { return };
        let id = task.meta.id;
        if self.places.contains_key(&id)
            || !may_have_lines(task)
            || !self.wanted.filter.matches(task)
        {
            return;
        }
        let place = Place {
            node: node.id,
            stage: Stage::Due,
            last: None,
            first_look,
        };
        self.places.insert(id, place);
    }

    /// What is to be done now. `in_session` says whether a node can be asked.
    pub fn turn(
        &mut self,
        state: &State,
        in_session: &dyn Fn(NodeId) -> bool,
        now: Timestamp,
    ) -> Vec<Order> {
        let mut orders = self.give_up_removed(state);
        for (node, tasks) in self.due_by_node() {
            if in_session(node) {
                self.absent.remove(&node);
                orders.extend(self.ask(node, &tasks));
            } else {
                orders.extend(self.miss(state, node, &tasks, now));
            }
        }
        orders
    }

    /// Tasks that are forgotten before their node could be asked.
    fn give_up_removed(&mut self, state: &State) -> Vec<Order> {
        let mut orders = Vec::new();
        for (task, place) in &mut self.places {
            if place.stage == Stage::Due && state.task(*task).is_none() {
                place.stage = Stage::Done;
                orders.push(Order::Gap(Gap {
                    task: Some(*task),
                    node: place.node,
                    reason: GapReason::TaskRemoved,
                }));
            }
        }
        orders
    }

    fn due_by_node(&self) -> BTreeMap<NodeId, Vec<TaskId>> {
        let mut due: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (task, place) in &self.places {
            if place.stage == Stage::Due {
                due.entry(place.node).or_default().push(*task);
            }
        }
        due
    }

    /// Asks a node: for tasks whose lines were cut off from the last line on, for the others as
    /// the reader wants.
    fn ask(&mut self, node: NodeId, tasks: &[TaskId]) -> Vec<Order> {
        let (cut_off, new): (Vec<_>, Vec<_>) =
            tasks.iter().partition(|id| self.places[id].last.is_some());
        let (first, later): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|id| self.places[id].first_look);
        let from = cut_off
            .iter()
            .filter_map(|id| self.places[id].last.map(|(_, time)| time))
            .min();
        let since = self.wanted.since;
        let asks = [
            (first, self.wanted.tail, since),
            (later, None, since),
            (cut_off, None, from.max(since)),
        ];
        asks.into_iter()
            .filter(|(tasks, ..)| !tasks.is_empty())
            .map(|(tasks, tail, since)| self.ask_for(node, tasks, tail, since))
            .collect()
    }

    fn ask_for(
        &mut self,
        node: NodeId,
        tasks: Vec<TaskId>,
        tail: Option<u32>,
        since: Option<Timestamp>,
    ) -> Order {
        let id = self.next_ask;
        self.next_ask += 1;
        for task in &tasks {
            self.set_stage(*task, Stage::Asked(id));
        }
        Order::Ask(Ask {
            id,
            node,
            tasks,
            follow: self.wanted.follow,
            tail,
            since,
        })
    }

    /// A node with due tasks is not in session.
    fn miss(
        &mut self,
        state: &State,
        node: NodeId,
        tasks: &[TaskId],
        now: Timestamp,
    ) -> Option<Order> {
        let known = state.node(node);
        let down = known.is_none_or(|node| node.status.state == NodeState::Down);
        let (since, told) = self.absent.entry(node).or_insert((now, false));
        if !down && now.since(*since) < SESSION_GRACE {
            return None;
        }
        let tell = !std::mem::replace(told, true);
        if !self.wanted.follow || known.is_none() {
            for task in tasks {
                self.set_stage(*task, Stage::Done);
            }
        }
        tell.then_some(Order::Gap(Gap {
            task: None,
            node,
            reason: GapReason::NodeDown,
        }))
    }

    fn set_stage(&mut self, task: TaskId, stage: Stage) {
        if let Some(place) = self.places.get_mut(&task) {
            place.stage = stage;
        }
    }

    /// When a turn is due although nothing happens; nothing: never.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        let waiting = self.absent.values().filter(|(_, told)| !told);
        waiting.map(|(since, _)| since.after(SESSION_GRACE)).min()
    }

    /// A line of a task has arrived. Says whether it is new to the reader.
    pub fn line(&mut self, task: TaskId, seq: u64, time: Timestamp) -> bool {
        let Some(place) = self.places.get_mut(&task) else {
            return false;
        };
        let new = place.last.is_none_or(|(last, _)| last < seq);
        if new {
            place.last = Some((seq, time));
        }
        new
    }

    /// A node has answered an ask to its end.
    pub fn ended(&mut self, ask: AskId) {
        self.leave(ask, Stage::Done);
    }

    /// An answer was cut off: its node is asked again.
    pub fn cut_off(&mut self, ask: AskId) {
        self.leave(ask, Stage::Due);
    }

    fn leave(&mut self, ask: AskId, stage: Stage) {
        let asked = |place: &&mut Place| place.stage == Stage::Asked(ask);
        self.places
            .values_mut()
            .filter(asked)
            .for_each(|place| place.stage = stage);
    }

    /// Whether nothing more can come: all lines that were there are given out and the reader
    /// does not follow, or follows tasks by id that have all ended or are gone.
    #[must_use]
    pub fn is_over(&self, state: &State) -> bool {
        let done = self.places.values().all(|place| place.stage == Stage::Done);
        if !self.began || !done {
            return false;
        }
        let named = &self.wanted.filter.tasks;
        let no_more = |id: &TaskId| state.task(*id).is_none_or(|task| task.is_terminal());
        !self.wanted.follow || (!named.is_empty() && named.iter().all(no_more))
    }
}
