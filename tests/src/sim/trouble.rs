// SPDX-License-Identifier: Apache-2.0
//! Faults take place, and end.

use std::time::Duration;

use skep_core::node_agent::ExitCause;
use skep_store::fs;

use super::agenda::Event;
use super::clock::Skew;
use super::fault::Fault;
use super::line::Way;
use super::process::End;
use super::world::World;

impl World {
    pub(crate) fn goes_wrong(&mut self, fault: Fault) {
        self.note(format_args!("FAULT {fault:?}"));
        match fault {
            Fault::KillManager => self.manager_ends(),
            Fault::PowerOffManager => {
                self.losing_power = self.manager.is_some();
                self.manager_ends();
            }
            Fault::PowerOffInStore { operations } => {
                self.losing_power = true;
                let at = self.disk.operations() + operations;
                self.disk.plan(at, fs::Fault::PowerOff);
            }
            Fault::StoreError { operations, full } => {
                let at = self.disk.operations() + operations;
                let fault = if full {
                    fs::Fault::NoSpace
                } else {
                    fs::Fault::Error
                };
                self.disk.plan(at, fault);
            }
            Fault::FreezeManager { span } => self.frozen_until = self.now.after(span),
            Fault::SlowStore { latency } => self.disk.set_latency(latency),
            Fault::KillAgent { machine } => self.agent_dies(machine),
            Fault::PowerOffMachine { machine } => self.machine_loses_power(machine),
            Fault::PowerOffAtStart { machine } => self.machines[machine].off_at_start = true,
            Fault::PowerOffInAgent {
                machine,
                operations,
            } => {
                let disk = &self.machines[machine].fs;
                disk.plan(disk.operations() + operations, fs::Fault::PowerOff);
            }
            Fault::Cut {
                machine,
                up,
                down,
                span,
            } => self.cut(machine, (up, down), span),
            Fault::Reset { machine } => self.reset(machine),
            Fault::SlowLine { machine, span } => {
                let until = self.now.after(span);
                self.machines[machine].line.slow(until);
            }
            Fault::EndProcess { machine } => self.end_process(machine),
            Fault::SlowPrepare { machine, span } => {
                self.machines[machine].slow_until = self.now.after(span);
            }
            Fault::LoseEvents { machine, span } => {
                self.machines[machine].engine.deaf_until = self.now.after(span);
            }
            Fault::LoseEngine { machine, span, how } => self.engine_goes(machine, span, how),
            Fault::NoSpace { machine, span } => {
                self.machines[machine].processes.full_until = self.now.after(span);
            }
            Fault::SetManagerClock { millis } => {
                self.tally.clocks_set += 1;
                self.skew += Skew::millis(millis);
            }
            Fault::SetClock { machine, millis } => {
                self.tally.clocks_set += 1;
                self.machines[machine].skew += Skew::millis(millis);
            }
            Fault::LoseDisk { machine } => self.machine_loses_disk(machine),
        }
    }

    fn cut(&mut self, machine: usize, (up, down): (bool, bool), span: Duration) {
        self.tally.cuts += 1;
        let until = self.now.after(span);
        let line = &mut self.machines[machine].line;
        if up {
            line.cut(Way::Up, until);
        }
        if down {
            line.cut(Way::Down, until);
        }
    }

    fn reset(&mut self, machine: usize) {
        let (node, conn) = (
            self.machines[machine].node,
            self.machines[machine].line.conn,
        );
        self.agenda.put(self.now, Event::AgentGone { node, conn });
        self.manager_gone(node, conn);
    }

    fn end_process(&mut self, machine: usize) {
        let machine = &self.machines[machine];
        let running: Vec<_> = machine
            .processes
            .running()
            .map(|(task, process)| (task, process.run))
            .collect();
        if running.is_empty() {
            return;
        }
        let (task, run) = self.dice.pick(&running);
        let end = End {
            run,
            cause: ExitCause::Exited,
            code: self.dice.pick(&[0, 1, 137]),
        };
        self.process_ends(machine.node, task, end);
    }

    /// Nothing goes wrong any more.
    pub(crate) fn calm_down(&mut self) {
        self.note(format_args!("CALM"));
        self.calm = true;
        self.losing_power = false;
        self.frozen_until = self.now;
        self.disk.clear_faults();
        self.disk.set_latency(Duration::from_millis(2));
        for machine in &mut self.machines {
            machine.fs.clear_faults();
            machine.line.heal();
            machine.off_at_start = false;
            machine.slow_until = self.now;
            machine.processes.full_until = self.now;
            machine.processes.well = true;
            if machine.engine.heal(self.now) {
                let node = machine.node;
                self.agenda.put(self.now, Event::EngineBack { node });
            }
        }
    }
}
