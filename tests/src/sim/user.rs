// SPDX-License-Identifier: Apache-2.0
//! Users: each asks for one thing at a time, and asks again, under the same request_id, until
//! there is an answer.

use std::sync::Arc;
use std::time::Duration;

use skep_core::admit::{
    Admitted, Context, Rejection, RequestKey, RolloutAction, control_rollout, create_service,
    delete_node, delete_service, find_node, find_service, stop_task, update_node, update_service,
    update_swarm,
};
use skep_core::model::{
    Availability, Labels, Mode, NodeSpec, ObjectId, Revision, ServiceSpec, SwarmSpec, TaskId,
    Timestamp,
};
use skep_core::state::State;

use super::dice::Dice;
use super::specs::{self, SERVICES};

/// What a user wants.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Create(Box<ServiceSpec>),
    Scale(&'static str, u32),
    /// New tasks, and perhaps of another manner.
    Roll(&'static str, Box<ServiceSpec>),
    /// Pausing, resuming or rolling back.
    Steer(&'static str, RolloutAction),
    Delete(&'static str),
    Availability(String, Availability),
    Label(String, String),
    Stop(TaskId),
    Swarm(Box<SwarmSpec>),
    /// A node is to be forgotten, whether it lives or not.
    Forget(String),
}

/// One request, as it travels.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) user: usize,
    pub(crate) key: RequestKey,
    pub(crate) wish: Wish,
}

/// What a manager answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// It was done by this revision.
    Done(Revision, ObjectId),
    /// Nothing was to be done.
    AlreadySo,
    /// It may not be.
    Rejected(String),
}

/// An answer, as it travels.
pub(crate) struct Reply {
    pub(crate) user: usize,
    pub(crate) id: Arc<str>,
    pub(crate) answer: Answer,
}

/// A user.
#[derive(Default)]
pub(crate) struct User {
    pub(crate) current: Option<Request>,
    asked: u64,
}

impl User {
    /// Thinks of something to ask for.
    pub(crate) fn wish(&mut self, user: usize, state: Option<&State>, dice: &mut Dice) -> Request {
        self.asked += 1;
        let wish = Wish::any(state, dice);
        let request = Request {
            user,
            key: RequestKey {
                id: format!("user-{user}-{}", self.asked).into(),
                digest: [(self.asked % 251) as u8; 32],
            },
            wish,
        };
        self.current = Some(request.clone());
        request
    }
}

impl Wish {
    fn any(state: Option<&State>, dice: &mut Dice) -> Wish {
        let name = dice.pick(&SERVICES);
        match dice.below(25) {
            21..=24 => Wish::Steer(name, steering(state, name, dice)),
            0..=4 => Wish::Create(Box::new(specs::service(name, dice))),
            5..=8 => Wish::Scale(name, dice.below(6) as u32),
            9..=11 => Wish::Roll(name, Box::new(specs::service(name, dice))),
            12 => Wish::Delete(name),
            13..=15 => {
                let all = [
                    Availability::Active,
                    Availability::Active,
                    Availability::Pause,
                    Availability::Drain,
                ];
                Wish::Availability(specs::node(dice), dice.pick(&all))
            }
            16 => Wish::Label(specs::node(dice), dice.pick(&["a", "b"]).to_owned()),
            17 => Wish::Swarm(Box::new(specs::swarm(dice))),
            18 => Wish::Forget(specs::node(dice)),
            _ => {
                let tasks: Vec<TaskId> = state
                    .into_iter()
                    .flat_map(State::tasks)
                    .filter(|task| !task.is_terminal())
                    .map(|task| task.meta.id)
                    .collect();
                if tasks.is_empty() {
                    return Wish::Create(Box::new(specs::service(name, dice)));
                }
                Wish::Stop(dice.pick(&tasks))
            }
        }
    }
}

impl Request {
    /// What a manager says to it now.
    pub(crate) fn admit(
        &self,
        state: &State,
        now: Timestamp,
        dice: &mut Dice,
    ) -> Result<Result<Admitted, Answer>, Rejection> {
        let ctx = Context {
            now,
            caller: format!("user-{}", self.user).into(),
            request: Some(self.key.clone()),
        };
        if let Some(known) = ctx.answered(state)? {
            return Ok(Err(Answer::Done(known.revision, known.request.object)));
        }
        self.grant(state, &ctx, dice).map(Ok)
    }

    fn grant(&self, state: &State, ctx: &Context, dice: &mut Dice) -> Result<Admitted, Rejection> {
        let mut id = || dice.id();
        match &self.wish {
            Wish::Create(spec) => create_service(state, (**spec).clone(), ctx, &mut id),
            Wish::Scale(name, replicas) => {
                let service = find_service(state, name)?;
                let mut spec = ServiceSpec::clone(&service.spec);
                if matches!(spec.mode, Mode::Replicated { .. }) {
                    let replicas = Some(*replicas);
                    spec.mode = Mode::Replicated { replicas };
                }
                update_service(state, &service, spec, None, ctx)
            }
            Wish::Roll(name, wanted) => {
                let service = find_service(state, name)?;
                let spec = ServiceSpec {
                    mode: service.spec.mode,
                    ..(**wanted).clone()
                };
                update_service(state, &service, spec, None, ctx)
            }
            Wish::Steer(name, action) => {
                control_rollout(state, &*find_service(state, name)?, *action, None, ctx)
            }
            Wish::Delete(name) => delete_service(&*find_service(state, name)?, None, ctx),
            Wish::Availability(name, availability) => {
                let availability = Some(*availability);
                edit_node(state, name, ctx, |spec| spec.availability = availability)
            }
            Wish::Label(name, zone) => edit_node(state, name, ctx, |spec| {
                let zone = ("zone".to_owned(), zone.clone());
                spec.labels = Arc::new(Labels::from([zone]));
            }),
            Wish::Stop(task) => Ok(match state.task(*task) {
                Some(task) => stop_task(task, ctx),
                None => Admitted::AlreadySo(None),
            }),
            Wish::Forget(name) => {
                let node = find_node(state, name)?;
                delete_node(state, &node, true, None, ctx)
            }
            Wish::Swarm(spec) => update_swarm(state, (**spec).clone(), None, ctx),
        }
    }
}

fn steering(state: Option<&State>, name: &str, dice: &mut Dice) -> RolloutAction {
    let service = state.and_then(|state| Some((state, find_service(state, name).ok()?)));
    let known = service.into_iter().flat_map(|(state, service)| {
        let id = service.meta.id;
        state
            .templates(id)
            .map(|(revision, _)| revision)
            .collect::<Vec<_>>()
    });
    let known: Vec<Revision> = known.collect();
    match dice.below(4) {
        0 => RolloutAction::Pause,
        1 => RolloutAction::Resume,
        2 if !known.is_empty() => RolloutAction::RollBack(Some(dice.pick(&known))),
        _ => RolloutAction::RollBack(None),
    }
}

fn edit_node(
    state: &State,
    name: &str,
    ctx: &Context,
    edit: impl FnOnce(&mut NodeSpec),
) -> Result<Admitted, Rejection> {
    let node = find_node(state, name)?;
    let mut spec = NodeSpec::clone(&node.spec);
    edit(&mut spec);
    update_node(state, &node, spec, None, ctx)
}

/// How long a user waits for an answer before asking again.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1_500);
