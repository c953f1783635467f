// SPDX-License-Identifier: Apache-2.0
//! One rollout in a world where nothing else happens, and its manager killed once on the way.

use std::sync::Arc;
use std::time::Duration;

use skep_core::admit::RequestKey;
use skep_core::model::{
    HealthCheck, Mode, Name, OnFailure, Probe, Rollout, Service, ServiceSpec, SwarmSpec, Task,
    TaskTemplate, UpdateOrder, UpdatePolicy,
};
use skep_core::state::derive::CONVERGED;

use super::agenda::{Agenda, Event};
use super::fault::Fault;
use super::manner::Manner;
use super::specs::insect;
use super::user::{Request, Wish};
use super::world::World;
use super::{Failure, playing};

/// How many tasks the service has.
const REPLICAS: u32 = 5;

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// For how long a paused rollout is looked at.
const STILL: Duration = Duration::from_secs(20);

/// What is rolled out, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The new version works.
    pub works: bool,
    /// Tasks are asked how they are. A version that fails then does not end, but never is well.
    pub asked: bool,
    /// The new task starts before the old one stops.
    pub start_first: bool,
    /// Slots at a time.
    pub parallelism: u32,
    /// What follows failures.
    pub on_failure: OnFailure,
}

/// What came of a rollout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Changes that were written from its beginning to its end.
    pub changes: u64,
    /// How the rollout stands in the end: its state, and the counts.
    pub stands: String,
    /// Of each slot, the attempts made there, oldest first: `v2 Running`.
    pub slots: Vec<Vec<String>>,
    /// The manager was killed before the rollout had ended.
    pub killed: bool,
}

/// Rolls a new version out, and kills the manager once so many changes were written since.
///
/// # Errors
/// If anything was wrong.
pub fn roll_out(seed: u64, plan: Plan, kill_after: Option<u64>) -> Result<Told, Box<Failure>> {
    playing(seed, World::new(seed), |world| {
        world.roll_out(plan, kill_after)
    })
}

impl World {
    fn roll_out(&mut self, plan: Plan, kill_after: Option<u64>) -> Result<Told, String> {
        self.become_quiet();
        self.ask(
            "create",
            Wish::Create(Box::new(spec(plan, "1", Manner::Web))),
        );
        let good = |service: &Service| {
            let mut conditions = service.status.conditions.iter();
            conditions.any(|it| it.kind == CONVERGED && it.holds)
        };
        self.go_on_until("the service runs", |world| {
            world.service().is_some_and(|it| good(&it))
        })?;
        // It takes that long for its revision to be good.
        self.go_on_for(Duration::from_secs(6))?;
        let manner = match (plan.works, plan.asked) {
            (true, false) => Manner::Web,
            (true, true) => Manner::Tardy,
            (false, false) => Manner::Bad,
            (false, true) => Manner::Sick,
        };
        let before = self.tally.changes;
        self.ask(
            "update",
            Wish::Roll("ant", Box::new(spec(plan, "2", manner))),
        );
        let mut killed = false;
        if let Some(after) = kill_after {
            self.go_on_until("it is time", |world| {
                world.tally.changes - before >= after || world.is_over()
            })?;
            killed = !self.is_over();
            self.goes_wrong(Fault::KillManager);
        }
        self.go_on_until("the rollout is over", World::is_over)?;
        let changes = self.tally.changes - before;
        self.go_on_until("what is to stop has stopped", |world| {
            world.manager.is_some() && world.is_over() && world.has_come_to_rest()
        })?;
        if self.rollout().is_some_and(|it| it.state.is_paused()) {
            self.go_on_for(STILL)?;
        }
        Ok(Told {
            changes,
            killed,
            ..self.told()
        })
    }

    /// Nothing happens here but what is asked for.
    fn become_quiet(&mut self) {
        self.agenda = Agenda::default();
        self.spec = SwarmSpec {
            snapshot_interval: Some(25),
            task_history: Some(20),
            ..SwarmSpec::default()
        };
        self.agenda.put(self.now, Event::ManagerStarts);
        for place in 0..self.machines.len() {
            let node = self.machines[place].node;
            self.agenda.put(self.now, Event::AgentStarts { node });
        }
        for watcher in 0..self.watchers.len() {
            self.agenda.put(self.now, Event::WatcherTurn { watcher });
        }
        self.calm_down();
    }

    fn ask(&mut self, id: &str, wish: Wish) {
        let request = Request {
            user: 0,
            key: RequestKey {
                id: id.into(),
                digest: [0; 32],
            },
            wish,
        };
        self.users[0].current = Some(request);
        self.agenda.put(self.now, Event::UserTurn { user: 0 });
    }

    fn go_on_for(&mut self, span: Duration) -> Result<(), String> {
        let until = self.now.after(span);
        self.run_until(until)
    }

    fn go_on_until(&mut self, what: &str, done: impl Fn(&World) -> bool) -> Result<(), String> {
        let until = self.now.after(PATIENCE);
        while !done(self) {
            let next = self.agenda.due().ok_or("nothing is to happen any more")?;
            if next > until {
                return Err(format!("it never happens that {what}: {:?}", self.told()));
            }
            self.run_until(next)?;
        }
        Ok(())
    }

    fn service(&self) -> Option<Arc<Service>> {
        let manager = self.manager.as_ref()?;
        manager.log.state.services().next().cloned()
    }

    fn rollout(&self) -> Option<Rollout> {
        self.service()?.rollout.clone()
    }

    fn is_over(&self) -> bool {
        let rollout = self.rollout();
        rollout.is_some_and(|it| !it.state.is_going())
    }

    /// Whether nothing is between two states, less what is restarted again and again.
    fn has_come_to_rest(&self) -> bool {
        let Some(manager) = &self.manager else {
            return false;
        };
        let mut tasks = manager.log.state.tasks();
        tasks.all(|task| task.is_terminal() || task.is_wanted())
    }

    fn told(&self) -> Told {
        let rollout = self.rollout();
        let stands = rollout.map_or(String::new(), |it| {
            format!("{} {:?}", it.state.as_str(), it.counts)
        });
        let mut slots = vec![Vec::new(); REPLICAS as usize];
        let state = self.manager.as_ref().map(|manager| &manager.log.state);
        let mut tasks: Vec<&Arc<Task>> = state.into_iter().flat_map(|it| it.tasks()).collect();
        tasks.sort_by_key(|task| (task.slot, task.attempt));
        let first = tasks.iter().map(|task| task.template_revision).min();
        for task in tasks {
            let version = if Some(task.template_revision) == first {
                1
            } else {
                2
            };
            let attempts = &mut slots[task.slot as usize - 1];
            attempts.push(format!("v{version} {:?}", task.status.state));
        }
        Told {
            changes: 0,
            stands,
            slots,
            killed: false,
        }
    }
}

fn spec(plan: Plan, version: &str, manner: Manner) -> ServiceSpec {
    ServiceSpec {
        name: Name::parse("ant").expect("a good name"),
        labels: Arc::default(),
        mode: Mode::Replicated {
            replicas: Some(REPLICAS),
        },
        template: Arc::new(TaskTemplate {
            restart_token: version.to_owned(),
            health_check: plan.asked.then(|| HealthCheck {
                probe: Some(Probe::Exec {
                    command: vec!["/bin/ask".to_owned()],
                }),
                interval: Some(Duration::from_millis(300)),
                retries: 2,
                ..HealthCheck::default()
            }),
            ..TaskTemplate::of(insect(manner, false))
        }),
        update: Some(UpdatePolicy {
            parallelism: Some(plan.parallelism),
            order: plan.start_first.then_some(UpdateOrder::StartFirst),
            monitor: Some(Duration::from_millis(1_000)),
            on_failure: Some(plan.on_failure),
            ..UpdatePolicy::default()
        }),
        rollback: None,
        ports: Vec::new(),
    }
}
