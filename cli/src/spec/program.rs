// SPDX-License-Identifier: Apache-2.0
//! What programs and containers have in common, so that one flag serves both.

use std::collections::BTreeMap;

use skep_sdk::v1::task_template::Workload;
use skep_sdk::v1::{Process, TaskTemplate, Ulimit};

/// The parts that a program on a node and a container share.
pub(crate) struct Program<'a> {
    pub(crate) command: &'a mut Vec<String>,
    pub(crate) args: &'a mut Vec<String>,
    pub(crate) env: &'a mut BTreeMap<String, String>,
    pub(crate) dir: &'a mut String,
    pub(crate) user: &'a mut String,
    pub(crate) groups: &'a mut Vec<String>,
    pub(crate) ulimits: &'a mut BTreeMap<String, Ulimit>,
}

/// The program of a template; one on the nodes themselves is made if there is none.
pub(crate) fn program(template: &mut TaskTemplate) -> Program<'_> {
    let workload = template
        .workload
        .get_or_insert_with(|| Workload::Process(Process::default()));
    match workload {
        Workload::Process(process) => Program {
            command: &mut process.command,
            args: &mut process.args,
            env: &mut process.env,
            dir: &mut process.dir,
            user: &mut process.user,
            groups: &mut process.groups,
            ulimits: &mut process.ulimits,
        },
        Workload::Container(container) => Program {
            command: &mut container.command,
            args: &mut container.args,
            env: &mut container.env,
            dir: &mut container.dir,
            user: &mut container.user,
            groups: &mut container.groups,
            ulimits: &mut container.ulimits,
        },
    }
}
