// SPDX-License-Identifier: Apache-2.0
//! What can happen in a life.

use std::sync::Arc;

use proptest::prelude::*;

use crate::model::*;
use crate::schedule;
use crate::state::Write;
use crate::testing::create_node;

use super::world::Life;

/// Which program a template runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Program {
    Runs,
    FailsToStart,
    CannotStart,
}

impl Program {
    pub(super) fn of(template: &TaskTemplate) -> Program {
        match template.restart_token.split(' ').next() {
            Some("fails") => Program::FailsToStart,
            Some("rejected") => Program::CannotStart,
            _ => Program::Runs,
        }
    }

    fn token(self, number: u128) -> String {
        let word = match self {
            Program::Runs => "runs",
            Program::FailsToStart => "fails",
            Program::CannotStart => "rejected",
        };
        format!("{word} {number}")
    }
}

/// One thing that happens. Numbers pick among what there is.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Scale(u32),
    Template(usize, Program, RestartPolicy, bool),
    Availability(usize, Availability),
    CutOff(usize),
    ComeBack(usize),
    Forget(usize),
    Label(usize, bool),
    AddNode,
    DeleteNode(usize),
    History(u32),
    End(usize, TaskState),
    Stop(usize),
    Pass(u64),
    Schedule,
    Agents(usize),
    AllAgents,
}

fn policy() -> impl Strategy<Value = RestartPolicy> {
    let condition = prop_oneof![
        Just(None),
        Just(Some(RestartCondition::OnFailure)),
        Just(Some(RestartCondition::None)),
    ];
    (condition, 0u32..4, any::<bool>()).prop_map(|(condition, max_attempts, window)| {
        RestartPolicy {
            condition,
            max_attempts,
            window: window.then(|| std::time::Duration::from_secs(30)),
            ..RestartPolicy::default()
        }
    })
}

fn program() -> impl Strategy<Value = Program> {
    prop_oneof![
        3 => Just(Program::Runs),
        1 => Just(Program::FailsToStart),
        1 => Just(Program::CannotStart),
    ]
}

fn availability() -> impl Strategy<Value = Availability> {
    prop_oneof![
        2 => Just(Availability::Active),
        1 => Just(Availability::Pause),
        1 => Just(Availability::Drain),
    ]
}

fn end() -> impl Strategy<Value = TaskState> {
    prop_oneof![Just(TaskState::Failed), Just(TaskState::Completed)]
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    let n = 0usize..8;
    prop_oneof![
        2 => (0u32..6).prop_map(Act::Scale),
        3 => (n.clone(), program(), policy(), any::<bool>())
            .prop_map(|(n, program, policy, zone)| Act::Template(n, program, policy, zone)),
        2 => (n.clone(), availability()).prop_map(|(n, to)| Act::Availability(n, to)),
        2 => n.clone().prop_map(Act::CutOff),
        2 => n.clone().prop_map(Act::ComeBack),
        1 => n.clone().prop_map(Act::Forget),
        1 => (n.clone(), any::<bool>()).prop_map(|(n, zone)| Act::Label(n, zone)),
        1 => Just(Act::AddNode),
        1 => n.clone().prop_map(Act::DeleteNode),
        1 => (0u32..4).prop_map(Act::History),
        3 => (n.clone(), end()).prop_map(|(n, end)| Act::End(n, end)),
        2 => n.clone().prop_map(Act::Stop),
        4 => (1u64..100_000).prop_map(Act::Pass),
        8 => Just(Act::Schedule),
        6 => n.prop_map(Act::Agents),
        8 => Just(Act::AllAgents),
    ]
}

impl Life {
    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Scale(replicas) => self.edit_service(0, |spec| {
                spec.mode = Mode::Replicated {
                    replicas: Some(replicas),
                };
            }),
            Act::Template(n, program, policy, in_zone) => {
                self.change_template(n % self.services.len(), program, policy, in_zone)
            }
            Act::Availability(n, to) => {
                self.edit_node(n, |spec| spec.availability = Some(to));
            }
            Act::CutOff(n) => self.cut_off(n),
            Act::ComeBack(n) => self.come_back(n),
            Act::Forget(n) => self.forget_node(n),
            Act::Label(n, in_zone) => self.edit_node(n, |spec| {
                let labels = Arc::make_mut(&mut spec.labels);
                labels.insert("zone".to_owned(), in_zone.to_string());
            }),
            Act::AddNode => self.add_node(),
            Act::DeleteNode(n) => self.delete_node(n),
            Act::History(history) => self.set_history(history),
            Act::End(n, state) => self.end_task(n, state),
            Act::Stop(n) => self.stop_task(n),
            Act::Pass(millis) => {
                let span = std::time::Duration::from_millis(millis);
                self.world.now = self.world.now.after(span);
            }
            Act::Schedule => {
                let writes = schedule::place(&self.world.state, self.world.now);
                self.apply(writes);
            }
            Act::Agents(n) => {
                if let Some(node) = self.node(n) {
                    self.run_agent(node);
                }
            }
            Act::AllAgents => self.run_agents(),
        }
    }

    pub(super) fn change_template(
        &mut self,
        service: usize,
        program: Program,
        policy: RestartPolicy,
        in_zone: bool,
    ) {
        let number = self.world.next_id();
        self.edit_service(service, |spec| {
            let template = Arc::make_mut(&mut spec.template);
            template.restart_token = program.token(number);
            template.restart = policy;
            template.reservations.memory_bytes = if in_zone { 3 << 30 } else { 0 };
            template.placement.requirements = Vec::from_iter(in_zone.then(|| Requirement {
                key: NodeKey::Label("zone".to_owned()),
                operator: Some(Operator::NotIn),
                values: vec!["false".to_owned()],
            }));
        });
    }

    /// One of the nodes there are.
    pub(super) fn node(&self, n: usize) -> Option<NodeId> {
        let count = self.world.state.node_count().max(1);
        let mut nodes = self.world.state.nodes();
        nodes.nth(n % count).map(|node| node.meta.id)
    }

    pub(super) fn edit_node(&mut self, n: usize, edit: impl FnOnce(&mut NodeSpec)) {
        let Some(node) = self.node(n) else { return };
        let known = self.world.state.node(node).expect("it was picked");
        let mut spec = NodeSpec::clone(&known.spec);
        edit(&mut spec);
        let spec = Arc::new(spec);
        self.apply([Write::PutNodeSpec { node, spec }]);
    }

    pub(super) fn edit_service(&mut self, n: usize, edit: impl FnOnce(&mut ServiceSpec)) {
        let service = self.services[n];
        let known = self.world.state.service(service).expect("it is there");
        let mut spec = ServiceSpec::clone(&known.spec);
        edit(&mut spec);
        let new_template = spec.template != known.spec.template;
        self.apply([Write::PutServiceSpec {
            service,
            spec: Arc::new(spec),
            ports: Vec::new(),
            new_template,
        }]);
    }

    fn add_node(&mut self) {
        if self.world.state.node_count() < 6 {
            self.nodes_made += 1;
            self.apply([create_node(self.nodes_made)]);
        }
    }

    fn delete_node(&mut self, n: usize) {
        if let Some(node) = self.node(n)
            && self.world.state.node_count() > 1
        {
            self.agents.remove(&node);
            self.cut.remove(&node);
            self.apply([Write::DeleteNode { node }]);
        }
    }

    fn set_history(&mut self, task_history: u32) {
        let spec = Arc::new(SwarmSpec {
            task_history: Some(task_history),
            ..SwarmSpec::default()
        });
        let id = SwarmId(1);
        self.apply([Write::PutSwarm { id, spec }]);
    }

    fn stop_task(&mut self, n: usize) {
        let live: Vec<TaskId> = self
            .world
            .state
            .tasks()
            .filter(|task| task.is_wanted())
            .map(|task| task.meta.id)
            .collect();
        if let Some(task) = live.get(n % live.len().max(1)) {
            self.apply([Write::SetDesired {
                task: *task,
                desired: DesiredState::Stopped,
            }]);
        }
    }
}
