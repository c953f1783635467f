// SPDX-License-Identifier: Apache-2.0
//! What happens to machines and on the way to them.

use skep_core::model::{NodeId, TaskId, Timestamp};
use skep_core::node_agent::{ExitCause, Order, OrderKind};
use skep_core::session::{AgentMessage, AgentOutput, ManagerMessage};

use super::agenda::Event;
use super::drain;
use super::line::Way;
use super::manner::Manner;
use super::process::{End, Job, Outcome};
use super::words;
use super::world::World;

impl World {
    pub(crate) fn place_of(&self, node: NodeId) -> Option<usize> {
        let mut machines = self.machines.iter();
        machines.position(|machine| machine.node == node)
    }

    /// When something sent now arrives; nothing: it is lost.
    pub(crate) fn arrival(&mut self, place: usize, way: Way, conn: u64) -> Option<Timestamp> {
        let line = &mut self.machines[place].line;
        line.arrival(way, conn, self.now, &mut self.dice)
    }

    pub(crate) fn send_down(&mut self, node: NodeId, conn: u64, message: ManagerMessage) {
        if let Some(place) = self.place_of(node)
            && let Some(at) = self.arrival(place, Way::Down, conn)
        {
            let message = Event::Down {
                node,
                conn,
                message,
            };
            self.agenda.put(at, message);
        }
    }

    fn send_up(&mut self, place: usize, conn: u64, message: AgentMessage) {
        let node = self.machines[place].node;
        if let Some(at) = self.arrival(place, Way::Up, conn) {
            let message = Event::Up {
                node,
                conn,
                message,
            };
            self.agenda.put(at, message);
        }
    }

    /// The manager's end of a connection is gone.
    pub(crate) fn tell_agent(&mut self, node: NodeId, conn: u64) {
        if let Some(place) = self.place_of(node)
            && let Some(at) = self.arrival(place, Way::Down, conn)
        {
            self.agenda.put(at, Event::ManagerGone { node, conn });
        }
    }

    /// The node's end of a connection is gone.
    fn tell_manager(&mut self, place: usize, conn: u64) {
        let node = self.machines[place].node;
        if let Some(at) = self.arrival(place, Way::Up, conn) {
            self.agenda.put(at, Event::AgentGone { node, conn });
        }
    }

    pub(crate) fn agent_starts(&mut self, node: NodeId) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        if self.machines[place].agent.is_some() {
            return;
        }
        self.note(format_args!("{} starts", words::node(node)));
        match self.machines[place].start(self.now) {
            Ok(()) => {
                self.follow_engine(place);
                self.agent_acts(place);
            }
            Err(why) => self.is_wrong(format!("an agent cannot read its memory: {why}")),
        }
    }

    /// Lets an agent do everything it would do now.
    pub(crate) fn agent_acts(&mut self, place: usize) {
        let machine = &mut self.machines[place];
        let (node, life) = (machine.node, machine.life);
        let doings = match machine.act(self.now, &mut self.dice) {
            Ok(doings) => doings,
            Err(why) => {
                self.note(format_args!("{}: {why}", words::node(node)));
                self.machine_loses_power(place);
                return;
            }
        };
        for wrong in doings.wrong {
            self.is_wrong(wrong);
        }
        for output in doings.outputs {
            self.agent_says(place, output);
        }
        let starts = doings.jobs.iter().any(|(_, job)| job.order == Order::Start);
        for (at, job) in doings.jobs {
            if let Some(wrong) = drain::ordered(&job, &self.machines[place], self.oracle.newest()) {
                self.is_wrong(wrong);
            }
            self.agenda.put(at, Event::Done { node, life, job });
        }
        if starts && std::mem::take(&mut self.machines[place].off_at_start) {
            self.machine_loses_power(place);
            return;
        }
        if let Some(agent) = &self.machines[place].agent
            && let Some(at) = agent.wake
        {
            let at = at.max(self.now);
            self.agenda.put(at, Event::AgentWakes { node, life });
        }
    }

    pub(crate) fn agent_wakes(&mut self, node: NodeId, life: u64) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        let machine = &self.machines[place];
        let due = machine.agent.as_ref().and_then(|agent| agent.wake);
        if machine.life == life && due.is_some_and(|due| due <= self.now) {
            self.agent_acts(place);
        }
    }

    fn agent_says(&mut self, place: usize, output: AgentOutput) {
        match output {
            AgentOutput::Connect => self.dial(place),
            AgentOutput::Send(message) => {
                let conn = self.machines[place].line.conn;
                if conn != 0 {
                    self.send_up(place, conn, message);
                }
            }
            AgentOutput::Disconnect(end) => {
                let node = words::node(self.machines[place].node);
                self.note(format_args!("{node} x> {end}"));
                let conn = std::mem::take(&mut self.machines[place].line.conn);
                self.tell_manager(place, conn);
                self.disconnected(place);
            }
            AgentOutput::Welcome(_) | AgentOutput::Step(_) | AgentOutput::Logs(_) => {}
        }
    }

    fn dial(&mut self, place: usize) {
        self.conns += 1;
        let conn = self.conns;
        let node = self.machines[place].node;
        self.machines[place].line.conn = conn;
        if let Some(at) = self.arrival(place, Way::Up, conn) {
            self.agenda.put(at, Event::Dial { node, conn });
        }
    }

    pub(crate) fn dialled(&mut self, node: NodeId, conn: u64, up: bool) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        if self.machines[place].line.conn != conn {
            self.tell_manager(place, conn);
            return;
        }
        if !up {
            self.manager_gone(node, conn);
            return;
        }
        if let Some(agent) = &mut self.machines[place].agent {
            let records = agent.worker.records().iter();
            let known: Vec<_> = records
                .map(|(task, record)| (*task, record.reported.clone()))
                .collect();
            agent
                .session
                .connected(self.now, agent.held.revision, known);
        }
        self.agent_acts(place);
    }

    /// A node learns that its connection is gone.
    pub(crate) fn manager_gone(&mut self, node: NodeId, conn: u64) {
        if let Some(place) = self.place_of(node)
            && self.machines[place].line.conn == conn
        {
            self.machines[place].line.conn = 0;
            self.disconnected(place);
        }
    }

    fn disconnected(&mut self, place: usize) {
        let random = self.dice.roll();
        if let Some(agent) = &mut self.machines[place].agent {
            agent.session.disconnected(self.now, random);
            self.agent_acts(place);
        }
    }

    pub(crate) fn arrives_down(&mut self, node: NodeId, conn: u64, message: ManagerMessage) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        if self.machines[place].line.conn != conn {
            self.tell_manager(place, conn);
            return;
        }
        if let Some(agent) = &mut self.machines[place].agent {
            agent.session.receive(message, self.now);
            self.agent_acts(place);
        }
    }

    pub(crate) fn job_done(&mut self, node: NodeId, life: u64, job: Job) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        let machine = &mut self.machines[place];
        let time = machine.time(self.now);
        let Some(agent) = machine.agent.as_mut().filter(|_| machine.life == life) else {
            return;
        };
        if agent.jobs.remove(&job.number).is_none() {
            // It was ended before its time.
            return;
        }
        let outcome = machine.carry_out(&job, self.now, &mut self.dice);
        let failure = outcome
            .result
            .as_ref()
            .err()
            .map(|failure| failure.message.clone());
        let (task, kind) = (job.task, job.order.kind());
        if let Some(agent) = &mut machine.agent {
            agent.worker.done(task, kind, outcome.result.clone(), time);
        }
        let what = failure.as_deref().unwrap_or("done");
        self.note(format_args!(
            "{} {} {kind:?} {what}",
            words::node(node),
            words::task(task)
        ));
        if kind == OrderKind::Start && failure.is_none() {
            self.tally.starts += 1;
        }
        self.follows(place, task, outcome);
        self.check_processes();
        self.agent_acts(place);
    }

    pub(crate) fn check_processes(&mut self) {
        if let Some(wrong) = self.oracle.processes(&self.machines) {
            self.is_wrong(wrong);
        }
        self.check_down();
    }

    /// Looks at what rollouts have taken down.
    pub(crate) fn check_down(&mut self) {
        let newest = self.oracle.newest();
        if let Some(wrong) = self.down.look(newest, &self.machines) {
            self.is_wrong(wrong);
        }
    }

    pub(crate) fn process_ends(&mut self, node: NodeId, task: TaskId, end: End) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        let process = self.machines[place].processes.all.get(&task);
        let is_bad = process.is_some_and(|process| process.about.manner == Manner::Bad);
        if self.calm && end.cause == ExitCause::Exited && !is_bad {
            // Nothing goes wrong any more.
            return;
        }
        let machine = &mut self.machines[place];
        if machine
            .processes
            .end(task, end, machine.skew.wall(self.now))
        {
            let code = end.code;
            self.note(format_args!(
                "{} {} ends with {code}",
                words::node(node),
                words::task(task)
            ));
            self.check_down();
            if self.machines[place].tells(task, self.now) {
                self.agent_acts(place);
            }
        }
    }

    /// An agent dies and starts again after a while; what runs goes on.
    pub(crate) fn agent_dies(&mut self, place: usize) {
        let conn = self.machines[place].line.conn;
        if conn != 0 {
            self.tell_manager(place, conn);
        }
        let done = self.machines[place].kill(self.now, &mut self.dice);
        self.machine_is_off(place, done);
    }

    /// The power of a machine goes, and comes back after a while. Nobody is told.
    pub(crate) fn machine_loses_power(&mut self, place: usize) {
        let done = self.machines[place].power_off(self.now, &mut self.dice);
        self.machine_is_off(place, done);
        self.engine_is_late(place);
    }

    /// The same, and it comes back with an empty disk.
    pub(crate) fn machine_loses_disk(&mut self, place: usize) {
        self.tally.disks_lost += 1;
        let known = |task| self.oracle.knows_of_start(task);
        let done = self.machines[place].lose_disk(self.now, known, &mut self.dice);
        self.machine_is_off(place, done);
    }

    fn machine_is_off(&mut self, place: usize, done: Vec<(TaskId, Outcome)>) {
        for (task, outcome) in done {
            self.follows(place, task, outcome);
        }
        self.tally.crashes += 1;
        let node = self.machines[place].node;
        let longest = if self.dice.chance(300) { 20_000 } else { 2_000 };
        let at = self.now.after(self.dice.millis(50, longest));
        self.agenda.put(at, Event::AgentStarts { node });
        self.check_processes();
    }
}
